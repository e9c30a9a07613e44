import { once } from "node:events";
import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { TLSSocket } from "node:tls";
import { createLifecycle } from "@evenkeel/server";
import type { ServerOptions } from "@grpc/grpc-js";
import { describe, expect, onTestFinished, test } from "vitest";
import { cert, key } from "../../../server/test-helpers/certificate.ts";
import { until } from "../../../server/test-helpers/raw-client.ts";
import {
  bind,
  createClient,
  createManaged,
  holdRpcs,
  openStream,
  testService,
} from "../../test-helpers/managed-server.ts";
import { showTlsSockets } from "./tls-session.ts";

const connectHttp2 = (port: number) =>
  http2.connect(`https://127.0.0.1:${port}`, { ca: cert, servername: "localhost" });

test("a session shows its TLS socket, and as node's own none once it is destroyed", async () => {
  const server = http2.createSecureServer({ cert, key });
  const lifecycle = createLifecycle({ readinessDelayMs: 0 });
  lifecycle.manage(server);
  showTlsSockets(server);
  const seen: unknown[] = [];
  server.on("session", (session) => {
    seen.push(session.socket instanceof TLSSocket, session.socket.remoteAddress);
    session.on("close", () => seen.push(session.socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = connectHttp2((server.address() as AddressInfo).port);
  onTestFinished(() => lifecycle.shutdown({ force: true }));
  await once(client, "remoteSettings");
  client.destroy();
  await until("the end", () => seen.length === 3);
  expect(seen).toEqual([true, "127.0.0.1", undefined]);
});

describe("grpc-js over TLS outlives", () => {
  /** What grpc-js throws in its listeners. */
  function uncaught(): unknown[] {
    const errors: unknown[] = [];
    const listeners = process.listeners("uncaughtException");
    const collect = (error: unknown): void => void errors.push(error);
    process.removeAllListeners("uncaughtException").on("uncaughtException", collect);
    onTestFinished(() => {
      process.off("uncaughtException", collect);
      for (const listener of listeners) process.on("uncaughtException", listener);
    });
    return errors;
  }

  function open(client: http2.ClientHttp2Session): void {
    const { path } = testService.stream;
    const headers = { ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers" };
    client.request(headers).end(Buffer.alloc(5)); // an empty message
  }

  test.each<ServerOptions>([{ "grpc.enable_channelz": 0 }, { "grpc.max_connection_idle_ms": 60_000 }])(
    "a client that leaves in an open stream, with %j",
    async (serverOptions) => {
      const errors = uncaught();
      const { server, lifecycle } = createManaged({}, serverOptions);
      const { streams } = holdRpcs(server);
      const client = connectHttp2(await bind(server, { secure: true }));
      open(client);
      await until("the stream", () => streams.length === 1);
      client.destroy();
      await until("the end of the connection", () => lifecycle.snapshot().connections.length === 0);
      await until("the end of the stream", () => streams[0]?.cancelled === true);
      await lifecycle.shutdown();
      expect(errors).toEqual([]);
    },
  );

  test.each([false, true])("connections that are destroyed in the shutdown, forced: %j", async (force) => {
    const errors = uncaught();
    const { server, lifecycle } = createManaged({ drainTimeoutMs: 20 });
    const { streams } = holdRpcs(server);
    const port = await bind(server, { secure: true });
    const opened = Array.from({ length: 3 }, () => openStream(createClient(port, true, onTestFinished)));
    await until("the streams", () => streams.length === opened.length);
    await lifecycle.shutdown({ force });
    for (const { code } of opened) expect(await code).not.toBe(0);
    expect(errors).toEqual([]);
  });
});
