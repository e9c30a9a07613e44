import { Duplex } from "node:stream";
import { expect, test } from "vitest";
import { createDescriptorWire } from "./descriptor-wire.ts";
import { goawayNotice } from "./goaway-notice.ts";

function socketWith(handle: unknown): Duplex {
  return Object.assign(new Duplex({ read() {}, write() {} }), { _handle: handle });
}

const idle = { fd: 7, writeQueueSize: 0, bytesWritten: 27 };
const fails = (code: string) => () => {
  throw Object.assign(new Error(code), { code });
};

test("the notice is a GOAWAY on stream 0 with last stream id 2^31-1 and NO_ERROR", () => {
  expect(Buffer.from(goawayNotice).toString("hex")).toBe(`000008${"07"}${"00"}00000000${"7fffffff"}00000000`);
});

test("writes the frame to the descriptor of an idle socket", () => {
  const calls: unknown[] = [];
  const wire = createDescriptorWire(socketWith(idle), (...call) => {
    calls.push(call);
    return goawayNotice.length;
  });
  expect(wire.inject(goawayNotice)).toEqual({ kind: "written" });
  expect(calls).toEqual([[7, goawayNotice, 0]]);
});

test("is busy while the queue holds bytes, and before the session's first frame", () => {
  for (const handle of [
    { ...idle, writeQueueSize: 1 },
    { ...idle, bytesWritten: 0 },
  ]) {
    expect(createDescriptorWire(socketWith(handle), fails("EIO")).inject(goawayNotice)).toEqual({ kind: "busy" });
  }
});

test("is busy when the kernel takes nothing, or the connection is broken", () => {
  for (const code of ["EAGAIN", "EPIPE", "ECONNRESET"]) {
    expect(createDescriptorWire(socketWith(idle), fails(code)).inject(goawayNotice)).toEqual({ kind: "busy" });
  }
});

test("completes a partial write before it returns", () => {
  const steps: (number | "EAGAIN")[] = [5, "EAGAIN", "EAGAIN", 10, 2];
  const offsets: number[] = [];
  const wire = createDescriptorWire(socketWith(idle), (_fd, _bytes, offset) => {
    offsets.push(offset);
    const step = steps.shift();
    return typeof step === "number" ? step : fails("EAGAIN")();
  });
  expect(wire.inject(goawayNotice)).toEqual({ kind: "written" });
  expect(offsets).toEqual([0, 5, 5, 5, 15]);
});

test("destroys the socket when a frame begun cannot be completed", () => {
  const socket = socketWith(idle);
  const wire = createDescriptorWire(socket, (_fd, _bytes, offset) => (offset === 0 ? 3 : fails("EAGAIN")()));
  expect(wire.inject(goawayNotice)).toEqual({ kind: "busy" });
  expect(socket.destroyed).toBe(true);
});

test("says why it is unsupported", () => {
  const reasonOf = (handle: unknown, code = "EPERM") =>
    createDescriptorWire(socketWith(handle), fails(code)).inject(goawayNotice);
  for (const handle of [undefined, null, {}, { ...idle, fd: -1 }]) {
    expect(reasonOf(handle)).toEqual({ kind: "unsupported", reason: "its socket has no file descriptor" });
  }
  expect(reasonOf({ fd: 7 })).toMatchObject({ kind: "unsupported", reason: expect.stringContaining("write queue") });
  expect(reasonOf(idle)).toEqual({ kind: "unsupported", reason: "writing to its socket failed: EPERM" });
});

test("tells what waits in the write queue, or 0 where node does not tell", () => {
  const unsentIn = (handle: unknown) => createDescriptorWire(socketWith(handle)).unsentBytes;
  expect(unsentIn({ ...idle, writeQueueSize: 1_234 })).toBe(1_234);
  for (const handle of [idle, undefined, null, {}, { writeQueueSize: "many" }]) expect(unsentIn(handle)).toBe(0);
});
