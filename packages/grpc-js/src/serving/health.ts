import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import { checkKeys } from "@evenkeel/core";
import type { Lifecycle } from "@evenkeel/server";
import { replaceMethod } from "./grpc-server.ts";
import type { AnyHttp2Server } from "./listen-watch.ts";

/** What tells clients whether services serve: the `HealthImplementation` of grpc-health-check, or one of its shape. */
export interface HealthImplementation {
  setStatus(service: string, status: "SERVING" | "NOT_SERVING" | "UNKNOWN"): void;
}

/** The health service of a server, which the program adds to it as it would without a lifecycle. */
export interface HealthOptions {
  readonly implementation: HealthImplementation;
  /**
   * Full names of the services that turn NOT_SERVING in a shutdown, beside those that `setStatus()` is called for
   * afterwards. Default: `[""]`, the server as a whole.
   */
  readonly services?: readonly string[];
}

/** @throws TypeError that names the option. */
export function checkHealthOptions(options: HealthOptions): void {
  checkKeys("health", options, ["implementation", "services"]);
  const { implementation, services = [] } = options;
  if (typeof implementation?.setStatus !== "function") {
    throw new TypeError(
      "health.implementation: expected an object with setStatus(), such as a HealthImplementation of grpc-health-check",
    );
  }
  if (!Array.isArray(services) || services.some((service) => typeof service !== "string")) {
    throw new TypeError(`health.services: expected an array of full names of services, got ${String(services)}`);
  }
}

/**
 * Tells NOT_SERVING from the moment at which the lifecycle is not ready any more, whatever the program sets from then on.
 * What `setStatus()` throws fails the shutdown when it has been done.
 */
export function tieHealth({ implementation, services = [""] }: HealthOptions, lifecycle: Lifecycle): void {
  const names = new Set(services);
  const setStatus = replaceMethod(implementation, "setStatus", (service, status) => {
    names.add(service as string);
    return setStatus(service, lifecycle.ready ? status : "NOT_SERVING");
  });
  lifecycle.onPhase((phase) => {
    if (phase !== "notReady") return;
    const failures: unknown[] = [];
    for (const name of names) {
      try {
        setStatus(name, "NOT_SERVING");
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, "health: setStatus() failed");
  });
}

const watchPath = "/grpc.health.v1.Health/Watch";

/**
 * Ends the streams of health watches when the server drains: they have no end of their own, and would hold their
 * connections until `drainTimeoutMs`. A client sees CANCELLED, and asks again, as after any status but UNIMPLEMENTED.
 */
export function endHealthWatches(server: AnyHttp2Server, draining: AbortSignal): void {
  const streams = new Set<ServerHttp2Stream>();
  const end = (stream: ServerHttp2Stream): void => stream.close(constants.NGHTTP2_CANCEL);
  server.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    if (headers[":path"] !== watchPath) return;
    if (draining.aborted) return end(stream);
    streams.add(stream);
    stream.once("close", () => streams.delete(stream));
  });
  const endAll = (): void => {
    for (const stream of streams) end(stream);
  };
  draining.addEventListener("abort", endAll, { once: true });
  server.once("close", () => draining.removeEventListener("abort", endAll));
}
