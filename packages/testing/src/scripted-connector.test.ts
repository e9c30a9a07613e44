import {
  type ConnectionEnd,
  type ConnectionListener,
  createEndpoint,
  type Goaway,
  type RequestHead,
  type Stream,
  type StreamEnd,
  type StreamListener,
} from "@evenkeel/core";
import { describe, expect, test } from "vitest";
import type { ScriptedConnection } from "./scripted-connection.ts";
import { ScriptedConnector, type ScriptedConnectorOptions } from "./scripted-connector.ts";

const head: RequestHead = { method: "POST", path: "/demo.v1.Demo/Call", headers: [], endStream: false };
const endpoint = createEndpoint({ key: "uid-1", podName: "pod-1", host: "10.0.0.1", port: 8080 });
const bytes = (text: string): Uint8Array => Buffer.from(text);

/** Notes in order what a connection and its streams are told. */
class Log {
  readonly entries: string[] = [];
  readonly ends: ConnectionEnd[] = [];
  readonly streamEnds: StreamEnd[] = [];

  connection(reactions: Partial<ConnectionListener> = {}): ConnectionListener {
    return {
      ready: () => {
        this.entries.push("ready");
        reactions.ready?.();
      },
      capacity: () => {
        this.entries.push("capacity");
        reactions.capacity?.();
      },
      suspicion: () => {
        this.entries.push("suspicion");
        reactions.suspicion?.();
      },
      goaway: (goaway: Goaway) => {
        this.entries.push(`goaway ${goaway.errorCode} ${goaway.lastStreamId}`);
        reactions.goaway?.(goaway);
      },
      closed: (end) => {
        this.entries.push("closed");
        this.ends.push(end);
      },
    };
  }

  stream(name: string, reactions: Partial<StreamListener> = {}): StreamListener {
    return {
      headers: (status, headers) => {
        this.entries.push(`${name} headers ${status}`);
        reactions.headers?.(status, headers);
      },
      data: (chunk) => {
        this.entries.push(`${name} data ${Buffer.from(chunk)}`);
        reactions.data?.(chunk);
      },
      drained: () => this.entries.push(`${name} drained`),
      trailers: (trailers) => this.entries.push(`${name} trailers ${trailers.join()}`),
      closed: (end) => {
        this.entries.push(`${name} ${end.kind === "complete" ? end.kind : end.fate}`);
        this.streamEnds.push(end);
        reactions.closed?.(end);
      },
    };
  }

  take(): string[] {
    return this.entries.splice(0);
  }
}

function dial(options: ScriptedConnectorOptions = {}): { log: Log; connection: ScriptedConnection } {
  const log = new Log();
  const connector = new ScriptedConnector(options);
  connector.connect(endpoint, log.connection());
  return { log, connection: connector.latest("uid-1") };
}

function ready(maxStreams?: number): { log: Log; connection: ScriptedConnection } {
  const dialled = dial();
  dialled.connection.becomeReady(maxStreams === undefined ? {} : { maxStreams });
  dialled.log.take();
  return dialled;
}

describe("ScriptedConnector", () => {
  test("records dials and finds the latest connection of an endpoint", () => {
    const connector = new ScriptedConnector();
    const log = new Log();
    expect(() => connector.latest("uid-1")).toThrow(/never dialled/);
    const first = connector.connect(endpoint, log.connection());
    connector.connect(createEndpoint({ host: "10.0.0.2", port: 1 }), log.connection());
    const again = connector.connect(endpoint, log.connection());
    expect(connector.dials).toEqual(["uid-1", "10.0.0.2:1", "uid-1"]);
    expect(connector.latest("uid-1")).toBe(again);
    expect(connector.connections[0]).toBe(first);
    expect(first.label).toBe("connection 1 to pod-1 (10.0.0.1:8080)");
    first.destroy(new Error("over"));
    expect(connector.open).toHaveLength(2);
  });

  test("onDial and onStream run after the call that they answer", async () => {
    const log = new Log();
    const connector = new ScriptedConnector({
      onDial: (connection) => connection.becomeReady(),
      onStream: (stream) => {
        stream.respond({ trailers: [["grpc-status", "0"]] });
        stream.complete();
      },
    });
    const connection = connector.connect(endpoint, log.connection());
    expect(log.take()).toEqual([]);
    await Promise.resolve();
    expect(log.take()).toEqual(["ready"]);
    connection.open(head, log.stream("a"));
    expect(log.take()).toEqual([]);
    await Promise.resolve();
    expect(log.take()).toEqual(["a headers 200", "a trailers grpc-status,0", "a complete"]);
  });

  test("leaves alone what has ended before onDial and onStream", async () => {
    const log = new Log();
    const seen: string[] = [];
    const connector = new ScriptedConnector({
      onDial: () => seen.push("dial"),
      onStream: () => seen.push("stream"),
    });
    const dead = connector.connect(endpoint, log.connection());
    dead.destroy(new Error("over"));
    const connection = connector.connect(endpoint, log.connection());
    connector.latest("uid-1").becomeReady();
    connection.open(head, log.stream("a")).cancel(new Error("no more"));
    await Promise.resolve();
    expect(seen).toEqual(["dial"]);
  });
});

describe("ScriptedConnection", () => {
  test("a refused dial closes once, and takes no further script", () => {
    const { log, connection } = dial();
    const error = new Error("ECONNREFUSED");
    connection.refuse(error);
    expect(log.entries).toEqual(["closed"]);
    expect(log.ends).toEqual([{ reason: error, orderly: false, streamsLost: 0 }]);
    connection.drain();
    connection.destroy(new Error("late"));
    for (const script of [
      () => connection.becomeReady(),
      () => connection.refuse(error),
      () => connection.lose(error),
      () => connection.hangUp(),
      () => connection.sendGoaway(),
      () => connection.changeMaxStreams(1),
    ]) {
      expect(script).toThrow(/the script cannot .* has ended: ECONNREFUSED/);
    }
    expect(log.entries).toEqual(["closed"]);
  });

  test("a request that it cannot take ends unsent, after open has returned", async () => {
    const { log, connection } = dial();
    connection.open(head, log.stream("early"));
    connection.becomeReady({ maxStreams: 1 });
    connection.open(head, log.stream("taken"));
    connection.open(head, log.stream("full"));
    const cancelled = connection.open(head, log.stream("cancelled"));
    cancelled.cancel(new Error("no more"));
    connection.sendGoaway({ lastStreamId: 2 ** 31 - 1 });
    connection.open(head, log.stream("late"));
    expect(log.take()).toEqual(["ready", `goaway 0 ${2 ** 31 - 1}`]);
    await Promise.resolve();
    expect(log.take()).toEqual(["early unsent", "full unsent", "cancelled unsent", "late unsent"]);
    expect(log.streamEnds.map((end) => end.kind === "broken" && end.error.message)).toEqual([
      "connection 1 to pod-1 (10.0.0.1:8080) takes no stream: it is connecting",
      "connection 1 to pod-1 (10.0.0.1:8080) takes no stream: it is ready, with 1 of 1 streams",
      "no more",
      "connection 1 to pod-1 (10.0.0.1:8080) takes no stream: it has had GOAWAY",
    ]);
    expect(connection.rejected).toHaveLength(4);
    expect(connection.streams).toHaveLength(1);
  });

  test("counts streams until they close, and tells capacity when a full one gets room", () => {
    const { log, connection } = ready(2);
    connection.open(head, log.stream("a"));
    connection.open(head, log.stream("b"));
    expect([connection.inFlight, connection.maxStreams]).toEqual([2, 2]);
    const error = new Error("reset");
    connection.streams[0]!.break({ fate: "ambiguous", error });
    connection.streams[1]!.break({ fate: "ambiguous", error });
    expect(log.take()).toEqual(["a ambiguous", "capacity", "b ambiguous"]);
    expect(connection.inFlight).toBe(0);
    connection.changeMaxStreams(1);
    expect(log.take()).toEqual([]);
    connection.changeMaxStreams(5);
    expect(log.take()).toEqual(["capacity"]);
  });

  test("tells no capacity when the room was taken again, or where the limit has fallen below it", () => {
    const { log, connection } = ready(1);
    connection.open(head, log.stream("a", { closed: () => void connection.open(head, log.stream("b")) }));
    connection.lastStream.break({ fate: "ambiguous", error: new Error("reset") });
    expect(log.take()).toEqual(["a ambiguous"]);
    connection.changeMaxStreams(0);
    connection.lastStream.break({ fate: "ambiguous", error: new Error("reset") });
    expect(log.take()).toEqual(["b ambiguous"]);
  });

  test("GOAWAY ends the streams above its last id unprocessed, and a second one may only lower it", () => {
    const { log, connection } = ready();
    for (const name of ["a", "b", "c"]) connection.open(head, log.stream(name));
    connection.sendGoaway({ lastStreamId: 2 ** 31 - 1 });
    connection.sendGoaway({ errorCode: 11, lastStreamId: 1, debugData: "too_many_pings" });
    expect(log.take()).toEqual([`goaway 0 ${2 ** 31 - 1}`, "goaway 11 1", "b unprocessed", "c unprocessed"]);
    expect(() => connection.sendGoaway({ lastStreamId: 3 })).toThrow(/above that of the one before/);
    connection.streams[0]!.respond();
    connection.streams[0]!.complete();
    connection.hangUp();
    expect(log.take()).toEqual(["a headers 200", "a complete", "closed"]);
    expect(log.ends[0]).toMatchObject({ orderly: true, streamsLost: 0 });
  });

  test("GOAWAY by default spares every stream that was opened", () => {
    const { log, connection } = ready();
    connection.open(head, log.stream("a"));
    connection.sendGoaway();
    expect(log.take()).toEqual(["goaway 0 1"]);
  });

  test("a lost connection tells its streams first, and counts them", () => {
    const { log, connection } = ready();
    connection.open(head, log.stream("a"));
    connection.open(head, log.stream("b"));
    connection.lose(new Error("ECONNRESET"));
    expect(log.take()).toEqual(["a ambiguous", "b ambiguous", "closed"]);
    expect(log.ends[0]).toMatchObject({ orderly: false, streamsLost: 2 });
    expect(connection.inFlight).toBe(0);
  });

  test("a peer that hangs up is orderly only while no stream is open", () => {
    const idle = ready();
    idle.connection.hangUp();
    expect(idle.log.ends[0]?.orderly).toBe(true);
    const busy = ready();
    busy.connection.open(head, busy.log.stream("a"));
    busy.connection.hangUp();
    expect(busy.log.ends[0]).toMatchObject({ orderly: false, streamsLost: 1 });
  });

  test("drain lets streams finish, then closes by itself", () => {
    const { log, connection } = ready();
    connection.open(head, log.stream("a"));
    connection.drain();
    connection.drain();
    expect(log.take()).toEqual([]);
    connection.lastStream.respond();
    connection.lastStream.complete();
    expect(log.take()).toEqual(["a headers 200", "a complete", "closed"]);
    expect(log.ends[0]).toMatchObject({ orderly: true, streamsLost: 0 });
  });

  test("drain closes a connection without streams, also one that is connecting", () => {
    for (const { log, connection } of [dial(), ready()]) {
      connection.drain();
      expect(log.take()).toEqual(["closed"]);
    }
  });

  test("destroy ends streams with its reason", () => {
    const { log, connection } = ready();
    connection.open(head, log.stream("a"));
    const reason = new Error("shut down");
    connection.destroy(reason);
    connection.destroy(reason);
    expect(log.take()).toEqual(["a ambiguous", "closed"]);
    expect(log.streamEnds[0]).toMatchObject({ kind: "broken", error: reason });
    expect(log.ends).toEqual([{ reason, orderly: true, streamsLost: 1 }]);
    expect(connection.state).toBe("closed");
  });

  test("a stream cancelled from within another one's end is told once", () => {
    const { log, connection } = ready();
    let second: Stream | undefined;
    connection.open(head, log.stream("a", { closed: () => second?.cancel(new Error("too")) }));
    second = connection.open(head, log.stream("b"));
    connection.lose(new Error("ECONNRESET"));
    expect(log.take()).toEqual(["a ambiguous", "b ambiguous", "closed"]);
  });

  test("tells once that it became suspect, and once that it is heard again", () => {
    const { log, connection } = ready();
    connection.changeSuspect(true);
    connection.changeSuspect(true);
    expect(connection.suspect).toBe(true);
    connection.changeSuspect(false);
    expect(connection.suspect).toBe(false);
    expect(log.take()).toEqual(["suspicion", "suspicion"]);
  });

  test("names the missing stream", () => {
    expect(() => ready().connection.lastStream).toThrow("no stream was opened on connection 1");
  });
});

describe("ScriptedStream", () => {
  test("records the request and answers it", () => {
    const { log, connection } = ready();
    const stream = connection.open(head, log.stream("a"));
    const scripted = connection.lastStream;
    expect(stream.write(bytes("one"))).toBe(true);
    stream.write(bytes("two"));
    expect(scripted.requestEnded).toBe(false);
    stream.end(bytes("three"));
    stream.end(bytes("late"));
    stream.write(bytes("late"));
    expect(scripted.requestEnded).toBe(true);
    expect(scripted.written.map(String)).toEqual(["one", "two", "three"]);
    expect(scripted.head).toBe(head);
    scripted.respond({ status: 404, body: [bytes("x"), bytes("y")], trailers: [["a", "b"]] });
    scripted.complete();
    expect(log.take()).toEqual(["a headers 404", "a data x", "a data y", "a trailers a,b", "a complete"]);
    expect(scripted.result).toEqual({ kind: "complete" });
    stream.cancel(new Error("late"));
    expect(log.take()).toEqual([]);
  });

  test("a head with endStream is a whole request", () => {
    const { log, connection } = ready();
    connection.open({ ...head, endStream: true }, log.stream("a"));
    expect(connection.lastStream.requestEnded).toBe(true);
  });

  test("write asks to wait while blocked, and drained follows once", () => {
    const { log, connection } = ready();
    const stream = connection.open(head, log.stream("a"));
    connection.lastStream.block();
    expect(stream.write(bytes("one"))).toBe(false);
    connection.lastStream.unblock();
    connection.lastStream.block();
    connection.lastStream.unblock();
    expect(log.take()).toEqual(["a drained"]);
    expect(stream.write(bytes("two"))).toBe(true);
  });

  test("pause holds data and what follows it until resume, which may pause again", () => {
    const { log, connection } = ready();
    const stream = connection.open(
      head,
      log.stream("a", {
        data: (chunk) => {
          if (String(chunk) === "1") stream.pause();
        },
      }),
    );
    stream.pause();
    connection.lastStream.respond({ body: [bytes("1"), bytes("2")], trailers: [] });
    connection.lastStream.complete();
    expect(log.take()).toEqual(["a headers 200"]);
    expect(connection.inFlight).toBe(1);
    stream.resume();
    expect(log.take()).toEqual(["a data 1"]);
    expect(connection.lastStream.paused).toBe(true);
    stream.resume();
    expect(log.take()).toEqual(["a data 2", "a trailers ", "a complete"]);
  });

  test("cancel ends it with the reason, drops held data, and cuts the answer short", () => {
    const { log, connection } = ready();
    const reason = new Error("deadline");
    const stream = connection.open(head, log.stream("a", { headers: () => stream.cancel(reason) }));
    connection.lastStream.respond({ body: [bytes("1")], trailers: [] });
    expect(log.take()).toEqual(["a headers 200", "a ambiguous"]);
    expect(connection.lastStream.cancelReason).toBe(reason);
    expect(() => connection.lastStream.complete()).toThrow(/cannot complete: .* was cancelled: deadline/);
    stream.resume();
    expect(log.take()).toEqual([]);
  });

  test("refuses scripts that no peer could play", () => {
    const { log, connection } = ready();
    connection.open(head, log.stream("a"));
    const stream = connection.lastStream;
    const error = new Error("reset");
    expect(() => stream.sendData(bytes("1"))).toThrow(/cannot send data: stream 1 .* has sent no response headers/);
    expect(() => stream.complete()).toThrow(/cannot complete/);
    stream.sendHeaders();
    expect(() => stream.sendHeaders()).toThrow(/cannot send headers/);
    expect(() => stream.break({ fate: "unprocessed", error })).toThrow(/cannot break \(unprocessed\)/);
    stream.sendTrailers([]);
    expect(() => stream.sendData(bytes("1"))).toThrow(/has sent trailers/);
    stream.complete();
    expect(() => stream.break({ fate: "ambiguous", error })).toThrow(/has sent END_STREAM/);
    expect(() => stream.block()).toThrow(/cannot block/);
    expect(() => stream.unblock()).toThrow(/cannot unblock/);
    expect(log.take()).toEqual(["a headers 200", "a trailers ", "a complete"]);
  });

  test("break carries the error code of a reset", () => {
    const { log, connection } = ready();
    connection.open(head, log.stream("a"));
    const error = new Error("REFUSED_STREAM");
    connection.lastStream.break({ fate: "unprocessed", errorCode: 7, error });
    expect(log.streamEnds).toEqual([{ kind: "broken", fate: "unprocessed", errorCode: 7, error }]);
    expect(() => connection.lastStream.sendHeaders()).toThrow(/has ended \(unprocessed\): REFUSED_STREAM/);
  });
});
