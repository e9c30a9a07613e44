import { createServer } from "node:http2";
import { setTimeout as sleep } from "node:timers/promises";
import { ConnectError, createClient } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@evenkeel/connect";
import { roundRobin, staticEndpoints } from "@evenkeel/core";
import { createLifecycle } from "@evenkeel/server";
import { endOldStreams } from "@evenkeel/server/connect";
import { expect, it, onTestFinished } from "vitest";
import { listen } from "../../packages/server/test-helpers/servers.ts";
import { DemoService } from "../gen/demo/v1/demo_pb.ts";

async function startPod(pod: string): Promise<string> {
  const lifecycle = createLifecycle({ podName: pod, maxStreamAgeMs: 40 });
  const server = createServer(
    connectNodeAdapter({
      interceptors: [lifecycle.interceptor, endOldStreams({ graceMs: 10 })],
      routes: (router) =>
        router.service(DemoService, {
          async *count(_, { signal }) {
            for (let number = 1; !signal.aborted; number++) {
              yield { pod, number };
              await sleep(5);
            }
          },
        }),
    }),
  );
  lifecycle.manage(server);
  const address = `127.0.0.1:${await listen(server, onTestFinished)}`;
  onTestFinished(() => lifecycle.shutdown({ force: true }));
  return address;
}

it.each([createConnectTransport, createGrpcTransport, createGrpcWebTransport])(
  "%o: a stream that its server ends for its age is opened anew at another pod",
  async (createTransport) => {
    const pods = [await startPod("pod-1"), await startPod("pod-2")];
    await using transport = createTransport({
      baseUrl: "http://orders",
      httpVersion: "2",
      resolver: staticEndpoints(pods),
      policy: roundRobin(),
    });
    const client = createClient(DemoService, transport);
    await transport.channel.ready();
    const seen: string[] = [];
    while (seen.length < 4) {
      let last = 0;
      try {
        for await (const { pod, number } of client.count({})) {
          expect(number).toBe(last + 1);
          if (last === 0) seen.push(pod);
          last = number;
        }
      } catch (error) {
        const { rawMessage, metadata } = ConnectError.from(error);
        if (metadata.get("x-evenkeel-stream-end") !== "max-age") throw error;
        expect(rawMessage).toBe("the stream has reached the server's maximum age: open it anew");
      }
      expect(last).toBeGreaterThan(0);
    }
    expect(new Set(seen)).toEqual(new Set(["pod-1", "pod-2"]));
  },
);
