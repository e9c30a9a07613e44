import { subscribe } from "@evenkeel/core";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import {
  type Checked,
  type CheckedOptions,
  dialChecked,
  end,
  envelope,
  grpcHeaders,
  passTime,
  readyChecked,
  say,
  statusMessage,
} from "../../test-helpers/checked.ts";

const UNKNOWN = 0;
const SERVING = 1;
const NOT_SERVING = 2;
const SERVICE_UNKNOWN = 3;

const check = { service: "shop.OrderService" };

const ready = (options?: CheckedOptions): Checked => readyChecked(check, options);

/** A connection that was told SERVING. */
function healthy(options?: CheckedOptions): Checked {
  const checked = ready(options);
  say(checked.inner.lastStream, SERVING);
  checked.told.length = 0;
  return checked;
}

/** Turns of the microtask queue. */
const settle = ({ clock }: Checked): Promise<void> => clock.advance(0);

describe("a watch", () => {
  it("asks for the service, over gRPC and in the background, once the connection is ready", () => {
    const { inner, connection, told } = dialChecked(check);
    expect(connection.health?.state).toBe("pending");
    expect(inner.streams).toHaveLength(0);
    inner.becomeReady();
    const { head, written, requestEnded } = inner.lastStream;
    expect(head).toMatchObject({ method: "POST", path: "/grpc.health.v1.Health/Watch", background: true });
    expect(Object.fromEntries(head.headers)).toMatchObject({
      "content-type": "application/grpc+proto",
      te: "trailers",
    });
    const request = Buffer.concat([Buffer.from([0, 0, 0, 0, 19, 0x0a, 17]), Buffer.from("shop.OrderService")]);
    expect(Buffer.concat(written)).toEqual(request);
    expect(requestEnded).toBe(true);
    expect(told).toEqual(["ready"]);
  });

  it("asks for the server as a whole where the service has no name", () => {
    const { inner, connection } = readyChecked({ service: "" });
    expect(Buffer.concat(inner.lastStream.written)).toEqual(Buffer.from([0, 0, 0, 0, 0]));
    say(inner.lastStream, NOT_SERVING);
    expect(connection.health).toEqual({ state: "unhealthy", reason: "the server is NOT_SERVING" });
  });

  it("tells every change, and nothing else", () => {
    const { inner, told } = ready();
    for (const status of [NOT_SERVING, NOT_SERVING, SERVING, SERVING, SERVICE_UNKNOWN, UNKNOWN, 7]) {
      say(inner.lastStream, status);
    }
    expect(told).toEqual([
      "ready",
      'unhealthy: service "shop.OrderService" is NOT_SERVING',
      'healthy: service "shop.OrderService" is SERVING',
      'unhealthy: service "shop.OrderService" is SERVICE_UNKNOWN',
      'unhealthy: service "shop.OrderService" is UNKNOWN',
      'unhealthy: service "shop.OrderService" is of status 7, which is not known here',
    ]);
    expect(inner.streams).toHaveLength(1);
  });

  it("reads messages however they are cut", () => {
    const { inner, told } = ready();
    inner.lastStream.sendHeaders(200, grpcHeaders);
    const bytes = Buffer.concat([SERVING, NOT_SERVING, UNKNOWN, SERVING].map(statusMessage));
    for (let index = 0; index < bytes.length - 9; index++) inner.lastStream.sendData(bytes.subarray(index, index + 1));
    inner.lastStream.sendData(bytes.subarray(bytes.length - 9));
    expect(told.slice(1).map((what) => what.split(" ").at(-1))).toEqual([
      "SERVING",
      "NOT_SERVING",
      "UNKNOWN",
      "SERVING",
    ]);
  });

  it("without an answer makes the connection unhealthy, and is still heard", async () => {
    const { clock, inner, connection, told } = ready();
    await passTime(clock, 4_999);
    expect(connection.health?.state).toBe("pending");
    await passTime(clock, 1);
    expect(told).toEqual(["ready", "unhealthy: its health watch brought no answer in 5000 ms"]);
    expect(clock.pending).toBe(0);
    clock.tick(3_600_000);
    say(inner.lastStream, SERVING);
    expect(connection.health?.state).toBe("healthy");
    expect(inner.streams).toHaveLength(1);
  });

  it("decides nothing where the answer arrived while our own event loop was blocked", async () => {
    const { clock, inner, told } = ready();
    clock.tick(5_000);
    setImmediate(() => say(inner.lastStream, SERVING)); // what the poll of this turn brings
    await passTime(clock, 0);
    expect(told.slice(1)).toEqual(['healthy: service "shop.OrderService" is SERVING']);
  });

  it("has no timer once it was answered", () => {
    const { clock } = healthy();
    expect(clock.pending).toBe(0);
  });
});

describe("a server without the service", () => {
  const kinds: Readonly<Record<string, (checked: Checked) => void>> = {
    "UNIMPLEMENTED in its headers": ({ inner }) => end(inner.lastStream, 12),
    "UNIMPLEMENTED in its trailers": ({ inner }) => {
      inner.lastStream.respond({ headers: grpcHeaders, trailers: [["grpc-status", "12"]] });
      inner.lastStream.complete();
    },
    "HTTP 404": ({ inner }) => inner.lastStream.sendHeaders(404, [["content-type", "text/html"]]),
    "UNIMPLEMENTED after an answer": ({ inner }) => {
      say(inner.lastStream, NOT_SERVING);
      end(inner.lastStream, 12);
    },
  };

  it.each(Object.keys(kinds))("counts as healthy for the life of the connection: %s", async (kind) => {
    const emitWarning = vi.spyOn(process, "emitWarning").mockReturnValue();
    onTestFinished(() => emitWarning.mockRestore());
    const warnings: unknown[] = [];
    onTestFinished(subscribe("warning", (warning) => warnings.push(warning)));
    const checked = ready();
    kinds[kind]?.(checked);
    await settle(checked);
    expect(checked.told.at(-1)).toMatch(
      /^healthy: its server has no health watch \((HTTP 404|it ended with UNIMPLEMENTED)\)/,
    );
    expect(checked.clock.pending).toBe(0);
    expect(checked.inner.inFlight).toBe(0);
    await checked.clock.advance(3_600_000);
    expect(checked.inner.streams).toHaveLength(1);
    const message = expect.stringMatching(
      /^connection 1 to pod-1 \(10\.0\.0\.1:8080\): its server has no health watch/,
    );
    expect(warnings).toEqual([{ target: "http://orders:8080", message }]);
    expect(emitWarning.mock.calls).toEqual([
      [message, { type: "EvenkeelWarning", code: "EVENKEEL_HEALTH_UNIMPLEMENTED" }],
    ]);
  });
});

describe("a watch that ends", () => {
  it("after an answer begins anew at once", async () => {
    const checked = healthy();
    end(checked.inner.lastStream, 14, "the%20pod%20goes");
    await settle(checked);
    expect(checked.told).toEqual(["pending: its health watch ended: it ended with UNAVAILABLE: the pod goes"]);
    expect(checked.inner.streams).toHaveLength(2);
    say(checked.inner.lastStream, SERVING);
    expect(checked.connection.health?.state).toBe("healthy");
  });

  it("after an answer stays what it was, if that is unhealthy, until there is another", async () => {
    const checked = ready();
    say(checked.inner.lastStream, NOT_SERVING);
    end(checked.inner.lastStream, 0);
    await settle(checked);
    expect(checked.told).toHaveLength(2);
    expect(checked.inner.streams).toHaveLength(2);
  });

  it("after an answer, and is silent then, makes the connection unhealthy", async () => {
    const checked = healthy();
    end(checked.inner.lastStream, 14);
    await passTime(checked.clock, 5_000);
    expect(checked.told.slice(1)).toEqual(["unhealthy: its health watch brought no answer in 5000 ms"]);
  });

  it("without an answer begins anew after a backoff", async () => {
    const checked = ready();
    const { clock, inner, told } = checked;
    const waits: number[] = [];
    for (let attempt = 1; attempt <= 8; attempt++) {
      end(inner.lastStream, 13);
      await settle(checked);
      waits.push(clock.nextInMs ?? 0);
      expect(inner.streams).toHaveLength(attempt);
      await clock.advance(clock.nextInMs ?? 0);
      expect(inner.streams).toHaveLength(attempt + 1);
    }
    expect(waits.map(Math.round)).toEqual([1_000, 1_600, 2_560, 4_096, 6_554, 10_000, 10_000, 10_000]);
    expect(told).toEqual(["ready", "unhealthy: its health watch failed: it ended with INTERNAL"]);
    say(inner.lastStream, SERVING);
    await clock.advance(10_000);
    end(inner.lastStream, 13);
    await settle(checked);
    expect(inner.streams).toHaveLength(10); // at once
    end(inner.lastStream, 13);
    await settle(checked);
    expect(clock.nextInMs).toBe(1_000); // the answer has reset the backoff
  });

  it("again and again after an answer does not turn in a circle", async () => {
    const checked = ready();
    const { clock, inner } = checked;
    const onStream = async (): Promise<void> => {
      say(inner.lastStream, SERVING);
      end(inner.lastStream, 0);
      await settle(checked);
    };
    let seen = 0;
    while (clock.now() < 60_000 && seen < 130) {
      for (; seen < inner.streams.length && seen < 130; seen++) await onStream();
      await clock.advance(clock.nextInMs ?? 100);
    }
    expect(seen).toBeGreaterThan(60);
    expect(seen).toBeLessThan(130);
  });

  const broken = { fate: "ambiguous", errorCode: 2, error: new Error("reset with INTERNAL_ERROR") } as const;
  const failures: Readonly<Record<string, readonly [(checked: Checked) => void, RegExp]>> = {
    "a reset": [({ inner }) => inner.lastStream.break(broken), /reset with INTERNAL_ERROR/],
    "an end without a status": [
      ({ inner }) => {
        inner.lastStream.sendHeaders(200, grpcHeaders);
        inner.lastStream.complete();
      },
      /ended without a status/,
    ],
    "a status that is none": [
      ({ inner }) => {
        inner.lastStream.sendHeaders(200, [...grpcHeaders, ["grpc-status", "what"]]);
        inner.lastStream.complete();
      },
      /grpc-status what/,
    ],
    "HTTP 503": [({ inner }) => inner.lastStream.sendHeaders(503), /HTTP 503/],
    "HTTP 200 of something else": [
      ({ inner }) => inner.lastStream.sendHeaders(200, [["content-type", "text/html"]]),
      /content-type text\/html, which is not gRPC's/,
    ],
    "a body in place of a response": [({ inner }) => inner.lastStream.sendHeaders(200), /content-type undefined/],
    "a message that is compressed": [
      ({ inner }) => {
        inner.lastStream.sendHeaders(200, grpcHeaders);
        inner.lastStream.sendData(envelope(Buffer.from([8, 1]), 1));
      },
      /a compressed message/,
    ],
    "a message that is too large": [
      ({ inner }) => {
        inner.lastStream.sendHeaders(200, grpcHeaders);
        inner.lastStream.sendData(envelope(Buffer.alloc(4_097)).subarray(0, 5));
      },
      /a message of 4097 bytes, more than 4096/,
    ],
    "a message that is malformed": [
      ({ inner }) => {
        inner.lastStream.sendHeaders(200, grpcHeaders);
        inner.lastStream.sendData(envelope(Buffer.from([8])));
      },
      /a message that cannot be read/,
    ],
  };

  it.each(Object.keys(failures))(
    "by %s makes the connection unhealthy, and asks again after a backoff",
    async (kind) => {
      const [fail, reason] = failures[kind] ?? [() => {}, /^$/];
      for (const isAnswered of [false, true]) {
        const checked = ready();
        if (isAnswered && !["a body in place of a response"].includes(kind)) {
          say(checked.inner.lastStream, SERVING);
          end(checked.inner.lastStream, 0); // what follows at once is used up
          await settle(checked);
        }
        fail(checked);
        await settle(checked);
        expect(checked.told.at(-1)).toMatch(/^unhealthy: its health watch failed: /);
        expect(checked.told.at(-1)).toMatch(reason);
        expect(checked.inner.inFlight).toBe(0);
        expect(checked.clock.nextInMs).toBe(1_000);
        await checked.clock.advance(1_000);
        expect(checked.inner.inFlight).toBe(1);
      }
    },
  );

  it("that floods the watch with changes is not heard for a while", async () => {
    const checked = ready();
    const { clock, inner, told } = checked;
    for (let second = 0; second < 10; second++) {
      for (let change = 0; change < 100; change++) say(inner.lastStream, change % 2 === 0 ? SERVING : NOT_SERVING);
      clock.tick(1_000);
    }
    expect(told).toHaveLength(1_001);
    const flood = Buffer.concat(Array.from({ length: 10_000 }, (_, change) => statusMessage(1 + (change % 2))));
    inner.lastStream.sendData(flood);
    await settle(checked);
    expect(told.length).toBeLessThan(1_200);
    expect(told.at(-1)).toMatch(/^unhealthy: .* more than 100 messages in a second$/);
    expect(inner.inFlight).toBe(0);
    expect(clock.nextInMs).toBe(1_000);
  });

  it("that says a lot about it is quoted in part", async () => {
    const checked = ready();
    const { inner, told } = checked;
    inner.lastStream.sendHeaders(200, [["content-type", "x".repeat(50_000)]]);
    await settle(checked);
    expect(told.at(-1)).toMatch(/^unhealthy: its health watch failed: content-type xxx/);
    expect(told.at(-1)?.length).toBeLessThan(600);
  });

  it("takes no more than a message's worth of memory", () => {
    const { inner, told } = ready();
    inner.lastStream.sendHeaders(200, grpcHeaders);
    inner.lastStream.sendData(envelope(Buffer.alloc(4_096)).subarray(0, 4_100));
    expect(inner.lastStream.result).toBeUndefined();
    inner.lastStream.sendData(Buffer.alloc(1));
    expect(told).toHaveLength(1); // deferred, and the stream is gone
    expect(inner.lastStream.result).toBeDefined();
  });
});

describe("room on the connection", () => {
  it("that is taken up by RPCs is waited for, and says nothing of health", async () => {
    const checked = healthy();
    const { clock, inner, connection } = checked;
    inner.changeMaxStreams(2);
    connection.open({ method: "POST", path: "/", headers: [], endStream: true }, nothing);
    const rpc = inner.lastStream;
    const watch = inner.streams[0];
    if (watch === undefined) throw new Error("there is no watch");
    end(watch, 14);
    connection.open({ method: "POST", path: "/", headers: [], endStream: true }, nothing);
    await settle(checked);
    expect(connection.health?.state).toBe("pending");
    await clock.advance(10_000);
    expect(inner.rejected).toHaveLength(0);
    rpc.respond();
    rpc.complete();
    await clock.advance(1_000);
    expect(inner.lastStream.head.background).toBe(true);
    say(inner.lastStream, SERVING);
    expect(connection.health?.state).toBe("healthy");
  });

  it("for one stream alone is left to RPCs, which would wait for the end of the watch", async () => {
    const { clock, inner, connection } = dialChecked(check);
    inner.becomeReady({ maxStreams: 1 });
    expect(inner.streams).toHaveLength(0);
    expect(connection.health).toMatchObject({ state: "unhealthy", reason: expect.stringContaining("poll a path") });
    inner.changeMaxStreams(2);
    await clock.advance(1_000);
    say(inner.lastStream, SERVING);
    expect(connection.health?.state).toBe("healthy");
  });
});

describe("the end of the connection", () => {
  const ends: Readonly<Record<string, (checked: Checked) => void>> = {
    "by drain()": ({ connection }) => connection.drain(),
    "by destroy()": ({ connection }) => connection.destroy(new Error("enough")),
    "by GOAWAY": ({ inner }) => inner.sendGoaway({ lastStreamId: 2 ** 31 - 1 }),
    "by a reset": ({ inner }) => inner.lose(new Error("ECONNRESET")),
  };

  describe.each(Object.keys(ends))("%s", (kind) => {
    const finish = (checked: Checked): void => ends[kind]?.(checked);

    it("ends the watch, and tells nothing of health", async () => {
      for (const start of [ready, healthy]) {
        const checked = start();
        const { health } = checked.connection;
        checked.told.length = 0;
        finish(checked);
        await checked.clock.advance(60_000);
        expect(checked.inner.inFlight).toBe(0);
        expect(checked.inner.streams).toHaveLength(1);
        expect(checked.told.filter((what) => what !== "goaway" && what !== "closed")).toEqual([]);
        expect(checked.connection.health).toBe(health);
        expect(checked.clock.pending).toBe(0);
      }
    });

    it("ends the wait for another attempt", async () => {
      const checked = ready();
      end(checked.inner.lastStream, 14);
      await settle(checked);
      expect(checked.clock.pending).toBe(1);
      finish(checked);
      expect(checked.clock.pending).toBe(0);
    });

    it("between the end of a watch and the next", async () => {
      const checked = healthy();
      end(checked.inner.lastStream, 14);
      finish(checked);
      await checked.clock.advance(60_000);
      expect(checked.inner.streams).toHaveLength(1);
      expect(checked.clock.pending).toBe(0);
    });

    it.each(["ready", "healthy:", "unhealthy:", "pending:"])("in the middle of being told %s", async (what) => {
      const checked: Checked = dialChecked(check, {
        onTold: (told) => {
          if (told.startsWith(what)) finish(checked);
        },
      });
      checked.inner.becomeReady();
      const watch = checked.inner.streams[0];
      if (watch !== undefined) say(watch, SERVING);
      if (watch?.result === undefined && watch !== undefined) end(watch, 14);
      await settle(checked);
      const second = checked.inner.streams[1];
      if (second !== undefined) end(second, 14);
      await checked.clock.advance(60_000);
      expect(checked.told.some((told) => told.startsWith(what))).toBe(true);
      expect(checked.inner.inFlight).toBe(0);
      expect(checked.clock.pending).toBe(0);
    });
  });
});

it("RPCs and what is told of the connection pass as they are", () => {
  const { inner, connection, told } = healthy();
  expect([connection.label, connection.inFlight, connection.maxStreams]).toEqual([inner.label, 1, inner.maxStreams]);
  const stream = connection.open({ method: "POST", path: "/", headers: [], endStream: true }, nothing);
  inner.lastStream.respond();
  inner.lastStream.complete();
  expect([connection.answered, connection.suspect]).toEqual([1, false]);
  stream.cancel(new Error("late"));
  inner.changeSuspect(true);
  inner.changeMaxStreams(3);
  inner.changeMaxStreams(4);
  expect(connection.suspect).toBe(true);
  const endpoint = { ...connection.endpoint, weight: 3 };
  connection.endpoint = endpoint;
  expect(inner.endpoint).toBe(endpoint);
  inner.sendGoaway();
  inner.lose(new Error("ECONNRESET"));
  expect(told).toEqual(["suspicion", "capacity", "goaway", "closed"]);
});

const nothing = { headers() {}, data() {}, drained() {}, trailers() {}, closed() {} };
