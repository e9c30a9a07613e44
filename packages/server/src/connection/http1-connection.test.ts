import { EventEmitter } from "node:events";
import type { ServerResponse } from "node:http";
import { FakeClock } from "@evenkeel/testing";
import { expect, test } from "vitest";
import { eventLoopTurns } from "../../test-helpers/event-loop-turns.ts";
import type { ConnectionChange } from "./connection.ts";
import { Http1Connection } from "./http1-connection.ts";

/** A response that does nothing but remember. */
class FakeResponse extends EventEmitter {
  headersSent = false;
  connection: string | undefined;
  setHeader(name: string, value: string): void {
    expect([name, this.headersSent]).toEqual(["connection", false]);
    this.connection = value;
  }
  removeHeader(name: string): void {
    expect([name, this.headersSent]).toEqual(["connection", false]);
    this.connection = undefined;
  }
  end(): void {
    this.headersSent = true;
    this.emit("close");
  }
}

class FakeSocket extends EventEmitter {
  bytesRead = 0;
  destroyed = false;
  destroy(): this {
    this.destroyed = true;
    this.emit("close");
    return this;
  }
}

interface Settings {
  maxConnectionAgeMs: number;
  maxConnectionAgeGraceMs: number;
  maxRequestsPerConnection: number;
}

function bench(changes: Partial<Settings> = {}) {
  const clock = new FakeClock();
  const settings = {
    maxConnectionAgeMs: Number.POSITIVE_INFINITY,
    maxConnectionAgeGraceMs: Number.POSITIVE_INFINITY,
    maxRequestsPerConnection: Number.POSITIVE_INFINITY,
    clock,
    random: () => 0.5,
    ...changes,
  };
  const socket = new FakeSocket();
  const changesSeen: ConnectionChange[] = [];
  const connection = new Http1Connection({
    id: 1,
    socket: socket as never,
    settings,
    observer: { onChange: (change) => changesSeen.push(change), onClose: () => {} },
  });
  const request = (): FakeResponse => {
    const response = new FakeResponse();
    socket.bytesRead += 100;
    connection.begin(response as unknown as ServerResponse);
    return response;
  };
  const story = (): unknown[] => changesSeen.map((each) => ("cause" in each ? each.cause : each.type));
  return { clock, settings, socket, connection, request, story };
}

test("at its age the next response says that it is the last", () => {
  const { clock, socket, connection, request, story } = bench({ maxConnectionAgeMs: 1_000 });
  const before = request();
  before.end();
  expect(before.connection).toBeUndefined();
  clock.tick(1_000);
  expect(connection.snapshot()).toMatchObject({ state: "retiring", openStreams: 0, streams: 1 });
  clock.tick(1_000_000);
  expect(socket.destroyed).toBe(false);
  const next = request();
  expect(next.connection).toBe("close");
  next.end();
  socket.destroy(); // as node does it
  expect(story()).toEqual(["opened", "maxAge", "retired"]);
  expect(clock.pending).toBe(0);
});

test("a response that has not begun says it at once, one that has leaves it to the next", () => {
  const early = bench();
  const waiting = early.request();
  early.connection.retire("requested");
  expect(waiting.connection).toBe("close");

  const late = bench();
  const streaming = late.request();
  streaming.headersSent = true;
  late.connection.retire("requested");
  streaming.end();
  expect(late.request().connection).toBe("close");
});

test("of pipelined requests only the last one is told", () => {
  const { connection, request } = bench();
  const first = request();
  connection.retire("requested");
  const second = request();
  expect([first.connection, second.connection]).toEqual([undefined, "close"]);
});

test("the request of number maxRequestsPerConnection is the last", () => {
  const { request, story, settings } = bench({ maxRequestsPerConnection: 3 });
  expect([request(), request(), request()].map(({ connection }) => connection)).toEqual([
    undefined,
    undefined,
    "close",
  ]);
  expect(story()).toEqual(["opened", "maxRequests"]);
  const changed = bench();
  changed.request();
  changed.settings.maxRequestsPerConnection = 2;
  expect(changed.request().connection).toBe("close");
  void settings;
});

test("the grace counts from the retirement, and anew from a request after it", async () => {
  const { clock, socket, connection, request, story } = bench({ maxConnectionAgeGraceMs: 1_000 });
  connection.retire("requested");
  clock.tick(900);
  request();
  clock.tick(999);
  await eventLoopTurns();
  expect(socket.destroyed).toBe(false);
  clock.tick(1);
  await eventLoopTurns();
  expect(socket.destroyed).toBe(true);
  expect(story()).toEqual(["opened", "requested", "graceOver"]);
});

test("in a shutdown it closes when it was idle for 5 s, with nothing read in them", async () => {
  const { clock, socket, connection, request, story } = bench();
  const response = request();
  connection.retire("shutdown");
  clock.tick(60_000);
  await eventLoopTurns();
  expect(socket.destroyed).toBe(false);
  response.headersSent = true;
  response.end();
  clock.tick(4_000);
  socket.bytesRead += 1; // of a request that comes slowly
  clock.tick(1_000);
  await eventLoopTurns();
  expect(socket.destroyed).toBe(false);
  clock.tick(4_999);
  await eventLoopTurns();
  expect(socket.destroyed).toBe(false);
  clock.tick(1);
  await eventLoopTurns();
  expect(socket.destroyed).toBe(true);
  expect(story()).toEqual(["opened", "shutdown", "retired"]);
  expect(clock.pending).toBe(0);
});

test("a request that arrives while the idle end is being decided is served", async () => {
  const { clock, socket, connection, request } = bench();
  connection.retire("shutdown");
  clock.tick(5_000);
  request();
  await eventLoopTurns();
  expect(socket.destroyed).toBe(false);
});

test("a connection that was retired before the shutdown is closed by it when idle", async () => {
  const { clock, socket, connection, story } = bench();
  connection.retire("maxAge");
  connection.retire("shutdown");
  clock.tick(5_000);
  await eventLoopTurns();
  expect(socket.destroyed).toBe(true);
  expect(story()).toEqual(["opened", "maxAge", "retired"]);
});

test("an upgraded connection belongs to the program", async () => {
  const { clock, socket, connection, story } = bench({ maxConnectionAgeMs: 1_000, maxConnectionAgeGraceMs: 10 });
  connection.upgrade();
  clock.tick(5_000);
  connection.retire("shutdown");
  clock.tick(60_000);
  await eventLoopTurns();
  expect(connection.snapshot()).toMatchObject({ state: "ready", openStreams: 1 });
  expect(socket.destroyed).toBe(false);
  connection.destroy("forced");
  expect(socket.destroyed).toBe(true);
  expect(story()).toEqual(["opened", "forced"]);
});

test("a request that the program emits a second time, as after writeContinue(), is one", () => {
  const { connection } = bench();
  const response = new FakeResponse();
  for (let emission = 0; emission < 2; emission++) connection.begin(response as unknown as ServerResponse);
  expect(connection.snapshot()).toMatchObject({ openStreams: 1, streams: 1 });
  response.end();
  expect(connection.snapshot()).toMatchObject({ openStreams: 0, streams: 1 });
});

test("a connection that is upgraded while it retires is left to the program as well", () => {
  const { clock, socket, connection } = bench({ maxConnectionAgeGraceMs: 1_000 });
  connection.retire("maxAge");
  connection.upgrade();
  clock.tick(60_000);
  expect(socket.destroyed).toBe(false);
});

test("a request that has arrived when the grace is over, unread, is served", async () => {
  const { clock, socket, connection, request } = bench({ maxConnectionAgeGraceMs: 1_000 });
  connection.retire("maxAge");
  clock.tick(1_000);
  expect(socket.destroyed).toBe(false);
  request(); // read in the poll that follows the late timer
  await eventLoopTurns();
  clock.tick(999);
  await eventLoopTurns();
  expect(socket.destroyed).toBe(false);
  clock.tick(1);
  await eventLoopTurns();
  expect(socket.destroyed).toBe(true);
});
