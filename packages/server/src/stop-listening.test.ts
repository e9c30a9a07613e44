import http2 from "node:http2";
import net, { type AddressInfo } from "node:net";
import { FakeClock } from "@evenkeel/testing";
import { expect, onTestFinished, test } from "vitest";
import { RawClient, until } from "../test-helpers/raw-client.ts";
import { listen } from "../test-helpers/servers.ts";
import { manageConnections } from "./server-lifecycle.ts";

test("clients that the kernel has connected while this process was busy are accepted first", async () => {
  const clock = new FakeClock();
  const server = http2.createServer((_, response) => response.end("served"));
  const lifecycle = manageConnections(server, { clock });
  await listen(server, onTestFinished);
  const done = lifecycle.shutdown();

  const socket = net.connect((server.address() as AddressInfo).port, "127.0.0.1");
  const client = new RawClient(socket);
  onTestFinished(() => client.end());
  client.begin();
  const stream = client.request("/");
  await new Promise<void>((resolve) => process.nextTick(resolve)); // the kernel has it, this event loop does not
  clock.tick(5_000);
  await until("it is connected or refused", () => !socket.connecting || client.closed);
  await until("the response", () => client.isComplete(stream) || client.closed);
  expect(client.dataOf(stream).toString()).toBe("served");
  await done;
});
