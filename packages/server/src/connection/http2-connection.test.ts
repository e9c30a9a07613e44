import { EventEmitter } from "node:events";
import type { ServerHttp2Session } from "node:http2";
import { Duplex } from "node:stream";
import { FakeClock } from "@evenkeel/testing";
import { expect, test } from "vitest";
import { eventLoopTurns } from "../../test-helpers/event-loop-turns.ts";
import type { Injection } from "../wire/wire.ts";
import type { ConnectionChange } from "./connection.ts";
import { Http2Connection, type Http2ConnectionInit, type Http2ConnectionSettings } from "./http2-connection.ts";

/** A session that does nothing but remember. */
class FakeSession extends EventEmitter {
  closed = false;
  destroyed = false;
  pendingSettingsAck = false;
  state = { remoteWindowSize: 65_535, lastProcStreamID: 5 };
  readonly goaways: unknown[] = [];
  readonly announced: unknown[] = [];
  readonly pings: ((error: Error | null) => void)[] = [];
  ping(callback: (error: Error | null) => void): boolean {
    if (this.destroyed) throw new Error("ERR_HTTP2_INVALID_SESSION");
    if (this.closed) throw new Error("node sends none, and says so only to the callback");
    this.pings.push(callback);
    return true;
  }
  goaway(code: number, lastStreamId: number, data: Buffer): void {
    this.goaways.push([code, lastStreamId, data.toString()]);
  }
  settings(settings: unknown): void {
    this.announced.push(settings);
  }
  close(): void {
    this.closed = true;
  }
  /** A stream opens. @returns what closes it */
  open(): () => void {
    const stream = new EventEmitter();
    this.emit("stream", stream);
    return () => void stream.emit("close");
  }
}

interface Bench {
  readonly clock: FakeClock;
  readonly settings: Mutable<Http2ConnectionSettings>;
  readonly session: FakeSession;
  readonly socket: Duplex & { bytesWritten: number };
  readonly init: Http2ConnectionInit;
  readonly connection: Http2Connection;
  readonly events: ConnectionChange[];
  injection: Injection;
  injections: number;
  unsentBytes: number;
  gone: number;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

function bench(changes: Partial<Http2ConnectionSettings> = {}): Bench {
  const clock = new FakeClock();
  const settings: Mutable<Http2ConnectionSettings> = {
    maxConnectionAgeMs: Number.POSITIVE_INFINITY,
    maxConnectionAgeGraceMs: Number.POSITIVE_INFINITY,
    maxConnectionIdleMs: Number.POSITIVE_INFINITY,
    keepaliveTimeMs: Number.POSITIVE_INFINITY,
    keepaliveTimeoutMs: 1_000,
    minPingIntervalMs: 0,
    maxConcurrentStreams: Number.POSITIVE_INFINITY,
    goawayNoticeTimeoutMs: 5_000,
    goawayPingTimeoutMs: 1_000,
    clock,
    random: () => 0.5,
    ...changes,
  };
  const session = new FakeSession();
  const duplex = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
  const socket = Object.assign(duplex, { bytesWritten: 0 });
  const events: ConnectionChange[] = [];
  const self: Omit<Bench, "connection" | "init"> = {
    ...{ clock, settings, session, socket, events },
    ...{ injection: { kind: "written" } as const, injections: 0, unsentBytes: 0, gone: 0 },
  };
  const init: Http2ConnectionInit = {
    id: 1,
    protocol: "h2c",
    session: session as unknown as ServerHttp2Session,
    socket,
    wire: {
      get unsentBytes() {
        return self.unsentBytes;
      },
      inject: () => {
        self.injections++;
        return self.injection;
      },
    },
    settings,
    observer: {
      onChange: (event) => events.push(event),
      onClose: () => {
        self.gone++;
      },
    },
  };
  return Object.assign(self, { init, connection: new Http2Connection(init) });
}

const summary = (events: readonly ConnectionChange[]): unknown[] =>
  events.map((event) => [event.type, "cause" in event ? event.cause : "notice" in event ? event.notice.kind : ""]);

test.each([
  { random: 0, age: 900 },
  { random: 0.5, age: 1_000 },
  { random: 0.999999, age: 1_100 },
])("maximum age is jittered by 10 %: random $random retires at $age ms", ({ random, age }) => {
  const { clock, connection } = bench({ maxConnectionAgeMs: 1_000, random: () => random });
  clock.tick(age - 1);
  expect(connection.snapshot()).toMatchObject({ state: "ready", goawaysSent: 0, ageMs: age - 1 });
  clock.tick(1);
  expect(connection.snapshot()).toMatchObject({ state: "retiring", goawaysSent: 1 });
});

test("a maximum age near the longest delay of a timer does not fire at once", () => {
  const { clock, connection } = bench({ maxConnectionAgeMs: 2 ** 31 - 1, random: () => 0.999 });
  clock.tick(2 ** 31 - 2);
  expect(connection.snapshot().state).toBe("ready");
  clock.tick(1);
  expect(connection.snapshot().state).toBe("retiring");
});

test("without a maximum age no timer is set", () => {
  expect(bench().clock.pending).toBe(0);
});

test("notice, PING, its answer, final GOAWAY", async () => {
  const { clock, session, socket, connection, events } = bench();
  connection.retire("maxAge");
  connection.retire("shutdown");
  expect(session.pings).toHaveLength(1);
  clock.tick(999);
  expect(session.closed).toBe(false);
  session.pings[0]?.(null);
  expect(session.closed).toBe(true);
  expect(connection.snapshot()).toMatchObject({ state: "draining", goawaysSent: 2 });
  socket.destroy();
  await eventLoopTurns();
  expect(summary(events)).toEqual([
    ["opened", ""],
    ["retiring", "maxAge"],
    ["draining", "acknowledged"],
    ["closed", "retired"],
  ]);
  expect(clock.pending).toBe(0);
});

test("the PING's timeout sends the final GOAWAY; a cancelled PING waits for it, a late answer changes nothing", async () => {
  const { clock, session, connection, events } = bench();
  connection.retire("requested");
  session.pings[0]?.(new Error("ERR_HTTP2_PING_CANCEL"));
  expect(session.closed).toBe(false);
  clock.tick(1_000);
  await eventLoopTurns();
  expect(session.closed).toBe(true);
  session.pings[0]?.(null);
  expect(summary(events)).toEqual([
    ["opened", ""],
    ["retiring", "requested"],
    ["draining", "unanswered"],
  ]);
});

test("a busy wire is tried again until it takes the notice", () => {
  const self = bench();
  self.injection = { kind: "busy" };
  self.connection.retire("requested");
  self.clock.tick(100);
  expect(self.injections).toBeGreaterThan(5);
  expect(self.injections).toBeLessThan(20);
  expect(self.connection.snapshot()).toMatchObject({ state: "retiring", goawaysSent: 0 });
  self.injection = { kind: "written" };
  self.clock.tick(16);
  expect(self.connection.snapshot()).toMatchObject({ state: "retiring", goawaysSent: 1 });
  expect(self.session.pings).toHaveLength(1);
});

test("a wire that stays busy for goawayNoticeTimeoutMs, or has no way, gets the final GOAWAY only", async () => {
  const busy = bench();
  busy.injection = { kind: "busy" };
  busy.connection.retire("requested");
  busy.clock.tick(4_999);
  expect(busy.session.closed).toBe(false);
  busy.clock.tick(1);
  await eventLoopTurns();
  expect(busy.session.closed).toBe(true);
  expect(busy.events.at(-1)).toMatchObject({ type: "draining", notice: { kind: "busy" } });

  const unsupported = bench();
  unsupported.injection = { kind: "unsupported", reason: "no descriptor" };
  unsupported.connection.retire("requested");
  expect(unsupported.session.closed).toBe(true);
  expect(unsupported.events.at(-1)).toMatchObject({ notice: { kind: "unsupported", reason: "no descriptor" } });
  expect(unsupported.connection.snapshot().goawaysSent).toBe(1);
});

test.each(["closed", "destroyed"] as const)("a session that is %s already is neither told nor pinged", (state) => {
  const self = bench();
  self.session[state] = true;
  self.connection.retire("shutdown");
  expect(self.injections).toBe(0);
  expect(self.session.pings).toHaveLength(0);
  expect(self.events.at(-1)).toMatchObject({ type: "draining", notice: { kind: "needless" } });
});

test("a session destroyed while the wire was busy, or the PING under way, makes no trouble", () => {
  const busy = bench();
  busy.injection = { kind: "busy" };
  busy.connection.retire("requested");
  busy.session.destroyed = true;
  busy.clock.tick(5_000);
  const pinged = bench();
  pinged.connection.retire("requested");
  pinged.session.destroyed = true;
  pinged.clock.tick(5_000);
  expect([busy.session.closed, pinged.session.closed]).toEqual([false, false]);
});

test("the grace counts from the first GOAWAY and destroys the socket", async () => {
  const self = bench({ maxConnectionAgeGraceMs: 500, goawayPingTimeoutMs: 100 });
  self.injection = { kind: "busy" };
  self.connection.retire("maxAge");
  self.clock.tick(1_000);
  expect(self.connection.snapshot().goawaysSent).toBe(0);
  self.injection = { kind: "written" };
  self.clock.tick(16);
  self.clock.tick(480);
  await eventLoopTurns();
  expect(self.socket.destroyed).toBe(false);
  self.clock.tick(20);
  await eventLoopTurns();
  expect(self.socket.destroyed).toBe(true);
  await eventLoopTurns();
  expect(self.events.at(-1)).toMatchObject({ type: "closed", cause: "graceOver", connection: { state: "closed" } });
  expect([self.clock.pending, self.gone]).toEqual([0, 1]);
});

test("after our FIN a silent peer is waited for no longer than 5 s", async () => {
  const { clock, socket, connection, session } = bench();
  connection.retire("requested");
  session.pings[0]?.(null);
  socket.end();
  await eventLoopTurns();
  clock.tick(4_999);
  await eventLoopTurns();
  expect(socket.destroyed).toBe(false);
  clock.tick(1);
  await eventLoopTurns();
  expect(socket.destroyed).toBe(true);
});

test("a connection that the client or the program ends leaves no timer, and its FIN starts none", async () => {
  const { clock, socket, events } = bench({ maxConnectionAgeMs: 1_000 });
  socket.end();
  await eventLoopTurns();
  expect(clock.pending).toBe(1);
  socket.destroy();
  await eventLoopTurns();
  expect(clock.pending).toBe(0);
  expect(summary(events)).toEqual([
    ["opened", ""],
    ["closed", "other"],
  ]);
});

test("open streams are counted", () => {
  const { session, connection } = bench();
  const streams = [new EventEmitter(), new EventEmitter()];
  for (const stream of streams) session.emit("stream", stream);
  expect(connection.snapshot().openStreams).toBe(2);
  streams[0]?.emit("close");
  expect(connection.snapshot().openStreams).toBe(1);
});

test("an idle connection is retired, one with a stream is not, and streams are counted", () => {
  const { clock, session, connection, events } = bench({ maxConnectionIdleMs: 1_000 });
  clock.tick(500);
  const closes = [session.open(), session.open()];
  clock.tick(5_000);
  expect(connection.snapshot()).toMatchObject({ state: "ready", openStreams: 2, streams: 2 });
  for (const close of closes) close();
  clock.tick(1_000);
  expect(connection.snapshot()).toMatchObject({ state: "retiring", openStreams: 0, streams: 2 });
  expect(summary(events).at(-1)).toEqual(["retiring", "idle"]);
});

test("a silent client is PINGed, then its socket destroyed, also when it is told to go", async () => {
  for (const retires of [false, true]) {
    const { clock, session, socket, connection, events } = bench({ keepaliveTimeMs: 10_000 });
    session.open();
    if (retires) connection.retire("requested");
    const { length } = session.pings;
    clock.tick(10_000);
    await eventLoopTurns();
    expect(session.pings).toHaveLength(length + 1);
    expect(socket.destroyed).toBe(false);
    clock.tick(1_000);
    await eventLoopTurns();
    expect(socket.destroyed).toBe(true);
    await eventLoopTurns();
    expect(summary(events).at(-1)).toEqual(["closed", "keepaliveTimeout"]);
    expect(clock.pending).toBe(0);
  }
});

test.each(["the final GOAWAY", "the client's GOAWAY"])(
  "after %s no PING can go out, and none is missed: streams take their time",
  async (what) => {
    const { clock, session, socket, connection } = bench({ keepaliveTimeMs: 10_000, maxConnectionAgeGraceMs: 60_000 });
    session.open();
    if (what === "the client's GOAWAY") session.closed = true;
    connection.retire("requested");
    session.pings[0]?.(null);
    expect(connection.snapshot().state).toBe("draining");
    for (let round = 0; round < 5; round++) {
      clock.tick(11_000);
      await eventLoopTurns();
      expect(socket.destroyed).toBe(false);
    }
    clock.tick(5_000);
    await eventLoopTurns();
    expect(socket.destroyed).toBe(true); // by the grace
  },
);

test("a client that pings too often is told, gets no notice, and its streams finish", () => {
  const self = bench({ minPingIntervalMs: 1_000 });
  const { session, connection, events } = self;
  const close = session.open();
  for (let ping = 0; ping < 3; ping++) session.emit("ping");
  expect(session.goaways).toEqual([]);
  session.emit("ping");
  expect(session.goaways).toEqual([[11, 5, "too_many_pings"]]);
  expect(self.injections).toBe(0);
  expect(session.closed).toBe(true);
  expect(connection.snapshot()).toMatchObject({ state: "draining", goawaysSent: 2, openStreams: 1 });
  expect(summary(events).slice(1)).toEqual([
    ["retiring", "tooManyPings"],
    ["draining", "needless"],
  ]);
  for (let ping = 0; ping < 10; ping++) session.emit("ping");
  close();
  expect(session.goaways).toHaveLength(1);
});

test("DATA that goes out keeps PINGs from being too many", () => {
  const { session, socket, connection } = bench({ minPingIntervalMs: 1_000 });
  session.open();
  for (let ping = 0; ping < 100; ping++) {
    socket.bytesWritten += 17 + 10;
    session.emit("ping");
  }
  expect(connection.snapshot().state).toBe("ready");
});

test("what the client sends beside its PINGs does not excuse them", () => {
  const self = bench({ minPingIntervalMs: 1_000 });
  for (let ping = 1; ping <= 4; ping++) {
    self.socket.bytesWritten += 17; // our answer
    self.session.state.remoteWindowSize += 1; // its WINDOW_UPDATE
    self.session.emit("remoteSettings");
    self.socket.bytesWritten += 9; // our acknowledgement
    self.session.open()(); // a stream that it resets at once
    self.session.emit("ping");
  }
  expect(summary(self.events).slice(1, 2)).toEqual([["retiring", "tooManyPings"]]);
});

test("limits that change faster than the client acknowledges them are sent one by one, the last one too", () => {
  const self = bench();
  self.session.pendingSettingsAck = true; // those of the beginning
  for (let limit = 1; limit <= 20; limit++) {
    self.settings.maxConcurrentStreams = limit;
    self.connection.review();
  }
  expect(self.session.announced).toEqual([]);
  self.session.pendingSettingsAck = false;
  self.session.emit("localSettings");
  expect(self.session.announced).toEqual([{ maxConcurrentStreams: 20 }]);
  self.session.emit("localSettings");
  expect(self.session.announced).toHaveLength(1);
});

test("a stream whose listener throws is open all the same", () => {
  const self = bench();
  const throws = (): void => {
    throw new Error("in a listener of the program");
  };
  const session = new FakeSession();
  session.on("stream", throws);
  const connection = new Http2Connection({ ...self.init, session: session as unknown as ServerHttp2Session });
  expect(() => session.open()).toThrow("in a listener");
  expect(connection.snapshot()).toMatchObject({ openStreams: 1, streams: 1 });
});

test("where bytes are not counted, the answer to a keepalive PING is the sign of life", async () => {
  const { clock, session, socket } = bench({ keepaliveTimeMs: 10_000 });
  for (let round = 0; round < 3; round++) {
    clock.tick(10_000);
    await eventLoopTurns();
    session.pings[round]?.(null);
    clock.tick(1_000);
    await eventLoopTurns();
    expect(session.pings).toHaveLength(round + 1);
    expect(socket.destroyed).toBe(false);
  }
  clock.tick(11_000);
  await eventLoopTurns();
  expect(socket.destroyed).toBe(true);
});

test("a wire that is busy when its time is over gets a last chance behind a poll of the event loop", async () => {
  const self = bench();
  self.injection = { kind: "busy" };
  self.connection.retire("requested");
  self.clock.tick(5_000);
  expect(self.session.closed).toBe(false);
  self.injection = { kind: "written" };
  await eventLoopTurns();
  expect(self.session.closed).toBe(false);
  expect(self.connection.snapshot()).toMatchObject({ state: "retiring", goawaysSent: 1 });
});

test("responses that are ready when the grace is over are written first", async () => {
  const self = bench({ maxConnectionAgeGraceMs: 500 });
  self.session.open();
  self.connection.retire("requested");
  self.clock.tick(500);
  expect(self.socket.destroyed).toBe(false);
  await eventLoopTurns();
  expect(self.socket.destroyed).toBe(true);
});

test("a client that reads on shows it by what it sends, or by what is taken in a further poll", async () => {
  const sends = bench();
  Object.assign(sends.socket, { bytesRead: 0 });
  sends.connection.retire("requested");
  sends.session.pings[0]?.(null);
  for (let round = 0; round < 4; round++) {
    Object.assign(sends.socket, { bytesRead: 13 * round + 13 }); // a WINDOW_UPDATE
    sends.clock.tick(5_000);
    await eventLoopTurns();
    expect(sends.socket.destroyed).toBe(false);
  }
  sends.clock.tick(5_000);
  await eventLoopTurns();
  expect(sends.socket.destroyed).toBe(true);

  const takes = bench();
  takes.unsentBytes = 1_000;
  takes.connection.retire("requested");
  takes.session.pings[0]?.(null);
  takes.clock.tick(5_000);
  takes.unsentBytes = 500;
  await eventLoopTurns();
  expect(takes.socket.destroyed).toBe(false);
});

test("without streams, a client that does not read has 5 s, and one that reads what it needs", async () => {
  const self = bench();
  const close = self.session.open();
  self.connection.retire("requested");
  self.session.pings[0]?.(null);
  self.clock.tick(60_000);
  expect(self.socket.destroyed).toBe(false);
  self.unsentBytes = 1_000;
  close();
  for (let second = 0; second < 20; second += 5) {
    self.unsentBytes -= 200;
    self.clock.tick(5_000);
    await eventLoopTurns();
    expect(self.socket.destroyed).toBe(false);
  }
  self.clock.tick(4_999);
  await eventLoopTurns();
  expect(self.socket.destroyed).toBe(false);
  self.clock.tick(1);
  await eventLoopTurns();
  expect(self.socket.destroyed).toBe(true);
});

test("changed limits count for an open connection", () => {
  const self = bench();
  self.clock.tick(700);
  self.settings.maxConnectionAgeMs = 1_000;
  self.settings.maxConcurrentStreams = 7;
  self.connection.review();
  self.connection.review();
  expect(self.session.announced).toEqual([{ maxConcurrentStreams: 7 }]);
  self.settings.maxConcurrentStreams = Number.POSITIVE_INFINITY;
  self.connection.review();
  expect(self.session.announced).toHaveLength(2);
  expect(self.session.announced[1]).toEqual({ maxConcurrentStreams: 2 ** 32 - 1 });
  self.clock.tick(299);
  expect(self.connection.snapshot().state).toBe("ready");
  self.clock.tick(1);
  expect(self.connection.snapshot().state).toBe("retiring");
});

test("a limit below the present age retires at once", () => {
  const self = bench({ maxConnectionAgeMs: 10_000, maxConnectionIdleMs: 10_000 });
  self.clock.tick(5_000);
  self.settings.maxConnectionAgeMs = 1_000;
  self.connection.review();
  self.clock.tick(0);
  expect(self.connection.snapshot().state).toBe("retiring");
});
