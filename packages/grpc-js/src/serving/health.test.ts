import { getEventListeners, once } from "node:events";
import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { createLifecycle, type Lifecycle } from "@evenkeel/server";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { until } from "../../../server/test-helpers/raw-client.ts";
import { endHealthWatches, tieHealth } from "./health.ts";

async function serveWatches() {
  const drain = new AbortController();
  const server = http2.createServer();
  const streams: http2.ServerHttp2Stream[] = [];
  server.on("stream", (stream: http2.ServerHttp2Stream) => {
    stream.respond({ ":status": 200 });
    streams.push(stream);
  });
  endHealthWatches(server, drain.signal);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const session = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const end = async (): Promise<void> => {
    if (session.destroyed) return;
    session.destroy();
    const closed = once(server, "close");
    server.close();
    await closed;
  };
  onTestFinished(end);
  const open = (path: string): http2.ClientHttp2Stream =>
    session.request({ ":path": path, ":method": "POST" }).on("error", () => {});
  return { drain, streams, open, end };
}

const watch = "/grpc.health.v1.Health/Watch";

test("ends the streams of health watches when the server drains, those that come after it, and no others", async () => {
  const { drain, open } = await serveWatches();
  const [before, other] = [open(watch), open("/grpc.health.v1.Health/Check")];
  await Promise.all([once(before, "response"), once(other, "response")]);
  drain.abort();
  const after = open(watch);
  await until("the end of both", () => before.closed && after.closed);
  const { NGHTTP2_CANCEL } = http2.constants;
  expect([before.rstCode, after.rstCode, other.closed]).toEqual([NGHTTP2_CANCEL, NGHTTP2_CANCEL, false]);
});

test("forgets watches that have ended, and servers that have closed", async () => {
  const { drain, streams, open, end } = await serveWatches();
  const client = open(watch);
  await once(client, "response");
  const [stream] = streams;
  if (stream === undefined) throw new Error("no stream");
  client.close();
  await once(stream, "close");
  const close = vi.spyOn(stream, "close");
  drain.abort();
  expect(close).not.toHaveBeenCalled();

  const other = await serveWatches();
  expect(getEventListeners(other.drain.signal, "abort")).toHaveLength(1);
  await other.end();
  expect(getEventListeners(other.drain.signal, "abort")).toHaveLength(0);
  await end();
});

describe("an implementation", () => {
  class Recording {
    readonly told: string[] = [];
    setStatus(service: string, status: string): void {
      this.told.push(`${service} ${status}`);
    }
  }

  function tied(implementation: Recording): { lifecycle: Lifecycle; close: () => Promise<void> } {
    const lifecycle = createLifecycle({ readinessDelayMs: 0 });
    tieHealth({ implementation }, lifecycle);
    const { promise, resolve } = Promise.withResolvers<void>();
    lifecycle.onShutdown(() => promise); // stays before "closed" until then
    onTestFinished(() => lifecycle.shutdown({ force: true }));
    const close = async (): Promise<void> => {
      resolve();
      await lifecycle.shutdown();
    };
    return { lifecycle, close };
  }

  test("tells what the program sets again when the shutdown is over, and is as it was", async () => {
    const implementation = new Recording();
    const { close } = tied(implementation);
    await close();
    implementation.setStatus("", "SERVING");
    expect(implementation.told).toEqual([" NOT_SERVING", " SERVING"]);
    expect(Object.hasOwn(implementation, "setStatus")).toBe(false);
    const next = tied(implementation);
    implementation.setStatus("", "SERVING");
    await next.close();
    implementation.setStatus("", "SERVING");
    expect(implementation.told.slice(2)).toEqual([" SERVING", " NOT_SERVING", " SERVING"]);
  });

  test("of two servers tells NOT_SERVING while one of them shuts down, then what the program has set", async () => {
    const implementation = new Recording();
    const [one, other] = [tied(implementation), tied(implementation)];
    implementation.setStatus("a", "SERVING");
    void one.lifecycle.shutdown();
    implementation.setStatus("b", "SERVING");
    expect(implementation.told.splice(0)).toEqual(["a SERVING", " NOT_SERVING", "a NOT_SERVING", "b NOT_SERVING"]);
    await one.close();
    expect(implementation.told.splice(0)).toEqual(["a SERVING", "b SERVING"]);
    implementation.setStatus("b", "UNKNOWN");
    await other.close();
    expect(implementation.told).toEqual(["b UNKNOWN", " NOT_SERVING", "a NOT_SERVING", "b NOT_SERVING"]);
  });

  test("of two servers that shut down at once tells nothing else until both are closed", async () => {
    const implementation = new Recording();
    const [one, other] = [tied(implementation), tied(implementation)];
    implementation.setStatus("", "SERVING");
    void other.lifecycle.shutdown();
    await one.close();
    implementation.setStatus("", "SERVING");
    expect(new Set(implementation.told.slice(1))).toEqual(new Set([" NOT_SERVING"]));
    await other.close();
  });

  test("that somebody else has wrapped meanwhile stays wrapped", async () => {
    const implementation = new Recording();
    const { close } = tied(implementation);
    const { setStatus } = implementation;
    const wrapped = (service: string, status: string): void => setStatus.call(implementation, service, `${status}!`);
    implementation.setStatus = wrapped;
    await close();
    expect(implementation.setStatus).toBe(wrapped);
    implementation.setStatus("", "SERVING");
    expect(implementation.told).toEqual([" NOT_SERVING", " SERVING!"]);
  });
});
