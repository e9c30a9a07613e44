import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import { checkKeys } from "@evenkeel/core";
import type { Lifecycle } from "@evenkeel/server";
import { type Method, replaceMethod } from "./grpc-server.ts";
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

const ties = new WeakMap<HealthImplementation, StatusTie>();

/**
 * Tells NOT_SERVING from the moment at which the lifecycle is not ready any more, whatever the program sets from then
 * on, until it is closed. What `setStatus()` throws fails the shutdown when it has been done.
 *
 * Servers may share an implementation: it tells NOT_SERVING while any of them shuts down. When that one is closed, and
 * others serve, it tells again what the program has set since the first of them was managed.
 */
export function tieHealth({ implementation, services = [""] }: HealthOptions, lifecycle: Lifecycle): void {
  let tie = ties.get(implementation);
  if (tie === undefined) {
    tie = new StatusTie(implementation);
    ties.set(implementation, tie);
  }
  tie.add(lifecycle, services);
}

/** What an implementation tells, for the lifecycles that share it. */
class StatusTie {
  readonly #implementation: HealthImplementation;
  /** As it was: undefined for a method of its class. */
  readonly #own: PropertyDescriptor | undefined;
  readonly #setStatus: Method;
  readonly #replacement: unknown;
  /** Those that are not closed. */
  readonly #lifecycles = new Set<Lifecycle>();
  /** What the program has set. */
  readonly #set = new Map<string, unknown>();

  constructor(implementation: HealthImplementation) {
    this.#implementation = implementation;
    this.#own = Object.getOwnPropertyDescriptor(implementation, "setStatus");
    this.#setStatus = replaceMethod(implementation, "setStatus", (service, status) => {
      this.#set.set(service as string, status);
      return this.#setStatus(service, this.#isReady ? status : "NOT_SERVING");
    });
    this.#replacement = implementation.setStatus;
  }

  add(lifecycle: Lifecycle, services: readonly string[]): void {
    this.#lifecycles.add(lifecycle);
    lifecycle.onPhase((phase) => {
      if (phase === "notReady") this.#tell([...services, ...this.#set.keys()].map((name) => [name, "NOT_SERVING"]));
      if (phase === "closed") this.#remove(lifecycle);
    });
  }

  get #isReady(): boolean {
    return [...this.#lifecycles].every(({ ready }) => ready);
  }

  #remove(lifecycle: Lifecycle): void {
    this.#lifecycles.delete(lifecycle);
    if (this.#lifecycles.size === 0) this.#untie();
    else if (this.#isReady) this.#tell(this.#set);
  }

  #untie(): void {
    ties.delete(this.#implementation);
    if (this.#implementation.setStatus !== this.#replacement) return; // somebody else's by now, which calls ours
    if (this.#own === undefined) Reflect.deleteProperty(this.#implementation, "setStatus");
    else Object.defineProperty(this.#implementation, "setStatus", this.#own);
  }

  #tell(statuses: Iterable<readonly [service: string, status: unknown]>): void {
    const failures: unknown[] = [];
    for (const [service, status] of new Map(statuses)) {
      try {
        this.#setStatus(service, status);
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, "health: setStatus() failed");
  }
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
