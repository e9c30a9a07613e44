import { EventEmitter } from "node:events";
import { FakeClock } from "@evenkeel/testing";
import { expect, test } from "vitest";
import { eventLoopTurns } from "../../test-helpers/event-loop-turns.ts";
import { Handshake } from "./handshake.ts";

class FakeSocket extends EventEmitter {
  destroyed = false;
  destroy(): this {
    this.destroyed = true;
    this.emit("close");
    return this;
  }
}

function begin(): { clock: FakeClock; socket: FakeSocket; handshake: Handshake; gone: () => number } {
  const clock = new FakeClock();
  const socket = new FakeSocket();
  let gone = 0;
  const handshake = new Handshake({
    ...{ id: 1, protocol: "tcp", socket: socket as never, settings: { clock, goawayPingTimeoutMs: 1_000 } },
    observer: { onChange: () => {}, onClose: () => void gone++ },
  });
  return { clock, socket, handshake, gone: () => gone };
}

test("in a shutdown a silent connection is cut after goawayPingTimeoutMs, otherwise it has no limit", async () => {
  const { clock, socket, handshake, gone } = begin();
  for (const cause of ["maxAge", "requested", "shutdown", "shutdown"] as const) handshake.retire(cause);
  expect(clock.pending).toBe(1);
  clock.tick(999);
  await eventLoopTurns();
  expect(socket.destroyed).toBe(false);
  clock.tick(1);
  await eventLoopTurns();
  expect([socket.destroyed, gone()]).toEqual([true, 1]);
});

test("one whose first bytes are read behind the late timer stays", async () => {
  const { clock, socket, handshake, gone } = begin();
  handshake.retire("shutdown");
  clock.tick(1_000);
  handshake.end();
  await eventLoopTurns();
  expect([socket.destroyed, gone()]).toEqual([false, 1]);
});
