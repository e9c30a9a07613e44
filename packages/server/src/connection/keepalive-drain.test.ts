import { FakeClock } from "@evenkeel/testing";
import { describe, expect, onTestFinished, test } from "vitest";
import { eventLoopTurns } from "../../test-helpers/event-loop-turns.ts";
import { connectRaw, until } from "../../test-helpers/raw-client.ts";
import { createServer, listen } from "../../test-helpers/servers.ts";
import { manageConnections } from "../server-lifecycle.ts";

const goaway = 7;

describe.each([
  { name: "h2c", secure: false },
  { name: "TLS", secure: true },
])("keepalive over $name", ({ secure }) => {
  test.each(["our final GOAWAY", "the client's GOAWAY"])(
    "after %s, when node sends no PING, a stream may take its time",
    async (end) => {
      const clock = new FakeClock();
      let answer = (): void => {};
      const server = createServer(secure, (_, response) => {
        answer = () => response.end("late");
      });
      const lifecycle = manageConnections(server, { clock, keepaliveTimeMs: 10_000, keepaliveTimeoutMs: 1_000 });
      const client = await connectRaw(await listen(server, onTestFinished), secure);
      onTestFinished(() => client.end());
      client.begin();
      const stream = client.request("/");
      await until("the stream", () => lifecycle.snapshot().connections[0]?.openStreams === 1);
      if (end === "our final GOAWAY") lifecycle.retireConnections();
      else client.send(goaway, 0, 0, Buffer.alloc(8));
      await until("the final GOAWAY", () => client.of("GOAWAY").length === (end === "our final GOAWAY" ? 2 : 1));

      for (let round = 0; round < 3; round++) {
        clock.tick(10_000);
        clock.tick(1_000);
        await eventLoopTurns();
      }
      answer();
      await until("the response", () => client.isComplete(stream) || client.closed);
      expect(client.dataOf(stream).toString()).toBe("late");
    },
  );
});
