import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { Http2Server } from "node:http2";
import { expect, onTestFinished, test } from "vitest";
import { until } from "../../../server/test-helpers/raw-client.ts";
import { bind, callUnary, createClient, createServer, holdRpcs } from "../../test-helpers/managed-server.ts";
import { manageGrpcServer } from "./manage-grpc-server.ts";

/** Those that are asked for by whatever session of the servers that begin to listen from now on. */
function countPings(): () => number {
  let pings = 0;
  const channel = "tracing:net.server.listen:asyncStart";
  const onListen = (message: unknown): void => {
    (message as { server: Http2Server }).server.on("session", (session) => {
      const ping = session.ping.bind(session) as (...args: unknown[]) => boolean;
      session.ping = (...args: unknown[]) => {
        pings++;
        return ping(...args);
      };
    });
  };
  subscribe(channel, onListen);
  onTestFinished(() => void unsubscribe(channel, onListen));
  return () => pings;
}

test.each([
  { name: "h2c", secure: false },
  { name: "TLS", secure: true },
])("grpc-js's own keepalive leaves the RPCs of a retired connection alone over $name", async ({ secure }) => {
  const server = createServer({ "grpc.keepalive_time_ms": 10, "grpc.keepalive_timeout_ms": 60_000 });
  const lifecycle = manageGrpcServer(server, { readinessDelayMs: 0 });
  onTestFinished(() => lifecycle.shutdown({ force: true }));
  const { unary } = holdRpcs(server);
  const pings = countPings();
  const client = createClient(await bind(server, { secure }), secure, onTestFinished);
  const answer = callUnary(client);
  answer.catch(() => {});
  await until("the RPC", () => unary.length === 1);
  lifecycle.retireConnections();
  await until("the final GOAWAY", () => lifecycle.snapshot().connections[0]?.state === "draining");
  const before = pings();
  await until("more pings, or an end", () => pings() >= before + 3 || lifecycle.snapshot().connections.length === 0);
  unary[0]?.();
  expect(await answer).toBe("hello");
});
