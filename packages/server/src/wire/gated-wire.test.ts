import { once } from "node:events";
import http2 from "node:http2";
import { setImmediate as turn } from "node:timers/promises";
import type { TLSSocket } from "node:tls";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { seededRandom } from "@evenkeel/testing";
import { expect, onTestFinished, test } from "vitest";
import { createGatedServer, type Gated } from "../../test-helpers/gated-server.ts";
import { connectRaw, type Frame, type RawClient, until } from "../../test-helpers/raw-client.ts";
import { type Handler, listen } from "../../test-helpers/servers.ts";
import { goawayNotice } from "./goaway-notice.ts";

/** No two places in it look alike for many bytes: what is lost, doubled or moved shows. */
const pattern = Buffer.alloc(2 ** 20);
for (let index = 0; index < pattern.length; index += 4)
  pattern.writeUInt32BE(Math.imul(index, 0x9e3779b1) >>> 0, index);

async function setUp(
  handler: Handler,
  options: http2.SecureServerOptions = {},
): Promise<{ server: http2.Http2SecureServer; port: number; gated: Set<Gated>; errors: unknown[] }> {
  const gated = new Set<Gated>();
  const errors: unknown[] = [];
  const server = createGatedServer(
    handler,
    (its) => {
      gated.add(its);
      its.socket.on("close", () => gated.delete(its));
    },
    options,
  );
  server.on("sessionError", (error) => errors.push(error));
  return { server, port: await listen(server, onTestFinished), gated, errors };
}

/** Answers `/from/count` with so many bytes of the pattern, in writes of all sizes. */
function respondWithPattern(random: () => number): Handler {
  return (request, response) => {
    request.resume(); // or node resets streams that it has not answered whole
    const [, from = "", count = ""] = request.url.split("/");
    let at = Number(from);
    const end = at + Number(count);
    const step = (): void => {
      if (response.destroyed || response.stream.destroyed) return;
      if (at === end) return void response.end();
      const size = Math.floor(random() * ([30, 3_000, 40_000, 300_000][Math.floor(random() * 4)] ?? 0));
      const chunk = pattern.subarray(at, Math.min(end, at + 1 + size));
      at += chunk.length;
      const next = random() < 0.5 ? step : () => void setImmediate(step);
      if (response.write(chunk)) next();
      else response.once("drain", next);
    };
    step();
  };
}

const isNotice = (frame: Frame): boolean =>
  frame.type === "GOAWAY" && frame.payload.subarray(0, goawayNotice.length - 9).equals(goawayNotice.subarray(9));

test.each(["TLSv1.2", "TLSv1.3"] as const)(
  "over %s, no byte is out of place, whatever clients and notices do at whatever moment",
  async (version) => {
    const random = seededRandom(7);
    const below = (limit: number): number => Math.floor(random() * limit);
    const { port, gated } = await setUp(respondWithPattern(random), { minVersion: version, maxVersion: version });
    let notices = 0;
    let injecting = true;
    const inject = (): void => {
      for (const { wire } of gated) if (below(2) === 0 && wire.inject(goawayNotice).kind === "written") notices++;
      if (injecting) setImmediate(below(2) === 0 ? inject : () => void process.nextTick(inject));
    };
    inject();

    const wrong: unknown[] = [];
    const check = (client: RawClient, from: number, count: number, stream: number, whole: boolean): void => {
      const data = client.dataOf(stream);
      if (data.compare(pattern, from, from + data.length) !== 0 || data.length > count) wrong.push(["bytes", stream]);
      if (whole && data.length !== count) wrong.push(["short", stream, data.length, count]);
    };
    const connection = async (): Promise<void> => {
      const client = await connectRaw(port, true);
      onTestFinished(() => client.end());
      client.begin(below(2) === 0 ? 100_000 : 2 ** 24);
      const asked = Array.from({ length: 1 + below(6) }, () => {
        const count = below([300, 20_000, 90_000][below(3)] ?? 0);
        const from = below(pattern.length - count);
        return { from, count, stream: client.request(`/${from}/${count}`) };
      });
      const leave = below(5);
      for (let pauses = below(4); pauses > 0; pauses--) {
        client.socket.pause();
        for (let turns = below(20); turns > 0; turns--) await turn();
        client.socket.resume();
      }
      client.openWindow(0, 2 ** 20);
      const [reset] = leave === 1 ? asked.splice(0, 1) : [];
      if (reset !== undefined) client.send(3, 0, reset.stream, Buffer.from([0, 0, 0, 8]));
      if (leave === 2) client.socket.end();
      if (leave === 3) client.socket.destroy();
      const stays = leave < 2 || leave === 4;
      if (stays) await until("responses", () => asked.every(({ stream }) => client.isComplete(stream)), 10_000);
      else await until("the end", () => client.closed || client.ended, 10_000);
      for (const { from, count, stream } of asked) check(client, from, count, stream, stays);
      const strange = (frame: Frame): boolean =>
        frame.type === "other" || (stays && frame.type === "GOAWAY" && !isNotice(frame));
      wrong.push(...client.frames.filter(strange));
      await client.end();
    };
    const worker = async (): Promise<void> => {
      for (let round = 0; round < 30; round++) await connection();
    };
    await Promise.all(Array.from({ length: 6 }, worker));
    injecting = false;
    await until("the connections are gone", () => gated.size === 0);
    expect(wrong).toEqual([]);
    expect(notices).toBeGreaterThan(100);
  },
  30_000,
);

test("uploads arrive whole, beside a listener that keeps what it hears", async () => {
  const kept: Buffer[] = [];
  const { port, gated } = await setUp((request, response) => {
    if (request.url === "/listen") {
      for (const { socket } of gated) socket.on("data", (chunk: Buffer) => kept.push(chunk));
    }
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => response.end(String(Buffer.concat(chunks).equals(pattern))));
  });
  const client = http2.connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false });
  const upload = async (path: string): Promise<string> => {
    const stream = client.request({ ":method": "POST", ":path": path });
    stream.end(pattern);
    stream.setEncoding("utf8");
    let answer = "";
    stream.on("data", (text: string) => {
      answer += text;
    });
    await once(stream, "close");
    return answer;
  };
  expect(await Promise.all([upload("/"), upload("/")])).toEqual(["true", "true"]);
  expect(await upload("/listen")).toBe("true");
  client.close();
  await once(client, "close");
  expect(kept.some((chunk) => chunk.length >= 4_096)).toBe(true);
  expect(kept.filter((chunk) => chunk.length === 0)).toEqual([]);
});

test("a client that half-closes gets what the session had handed down, and the session ends without an error", async () => {
  const size = 8 * 2 ** 20;
  const { port, gated, errors } = await setUp((_, response) => response.end(Buffer.alloc(size, pattern)));
  const client = await connectRaw(port, true);
  onTestFinished(() => client.end());
  client.begin(2 ** 30);
  await until("the session", () => client.of("SETTINGS").length >= 2);
  client.socket.pause();
  const stream = client.request("/");
  const [its] = gated;
  await until("the kernel's buffers are full", () => (its?.wire.unsentBytes ?? 0) > 2 ** 20);
  const late: unknown[] = [];
  its?.socket.on("end", () => late.push(its.wire.inject(goawayNotice)));
  client.socket.end();
  client.socket.resume();
  await until("the end", () => client.ended);
  expect(client.dataOf(stream).length).toBe(size);
  await until("the connection is gone", () => gated.size === 0);
  expect(late).toEqual([{ kind: "busy" }]);
  expect(errors).toEqual([]);
});

test("destroySoon() on the session's socket sends what the session had handed down, and ends without an error", async () => {
  const size = 8 * 2 ** 20;
  const { port, gated, errors } = await setUp((_, response) => response.end(Buffer.alloc(size, pattern)));
  const client = await connectRaw(port, true);
  onTestFinished(() => client.end());
  client.begin(2 ** 30);
  await until("the session", () => client.of("SETTINGS").length >= 2);
  client.socket.pause();
  const stream = client.request("/");
  const [its] = gated;
  await until("the kernel's buffers are full", () => (its?.wire.unsentBytes ?? 0) > 2 ** 20);
  (its?.session.socket as TLSSocket | undefined)?.destroySoon();
  expect(its?.wire.inject(goawayNotice)).toEqual({ kind: "busy" });
  its?.session.ping(() => {}); // a write that comes too late
  client.socket.resume();
  await until("the end", () => client.ended);
  expect(client.dataOf(stream).length).toBe(size);
  await until("the connection is gone", () => gated.size === 0);
  expect(errors).toEqual([]);
});

/** Whether the number is above 0, and was the same the last ten times: how much is left when nothing goes on varies. */
function isStuck(count: () => number): () => boolean {
  let last = 0;
  let times = 0;
  return () => {
    const now = count();
    times = now > 0 && now === last ? times + 1 : 0;
    last = now;
    return times >= 10;
  };
}

test("streams that write on when the client has half-closed end with the connection, without an error", async () => {
  const { server, port, gated, errors } = await setUp(() => {});
  let streams = 0;
  server.on("stream", (stream: http2.ServerHttp2Stream) => {
    // nobody listens for "error": one would end the process
    stream.on("aborted", () => streams--);
    streams++;
    stream.respond();
    const writeOn = (): void => {
      if (stream.destroyed) return;
      if (stream.write(pattern)) setImmediate(writeOn);
      else stream.once("drain", () => setImmediate(writeOn));
    };
    writeOn();
  });
  for (const reads of [true, false]) {
    const client = await connectRaw(port, true);
    onTestFinished(() => client.end());
    client.begin(2 ** 30);
    client.request("/");
    await until("data", () => client.of("DATA").length > 10);
    if (!reads) {
      client.socket.pause();
      await until(
        "the kernel's buffers are full",
        isStuck(() => [...gated][0]?.wire.unsentBytes ?? 0),
      );
    }
    client.socket.end();
    for (let turns = 0; turns < 20; turns++) await turn();
    client.socket.resume();
    await until("the connection is gone", () => gated.size === 0);
    await client.end();
  }
  await until("the streams are aborted", () => streams === 0);
  expect(errors).toEqual([]);
});

test("no notice is injected before the session's SETTINGS, nor after its own GOAWAY", async () => {
  const early: unknown[] = [];
  let its: Gated | undefined;
  const server = createGatedServer(
    () => {},
    (gated) => {
      early.push(gated.wire.inject(goawayNotice));
      its = gated;
    },
  );
  const client = await connectRaw(await listen(server, onTestFinished), true);
  onTestFinished(() => client.end());
  client.begin();
  client.request("/");
  await until("the session", () => client.of("SETTINGS").length >= 2);
  expect(early).toEqual([{ kind: "busy" }]);
  expect(its?.wire.inject(goawayNotice)).toEqual({ kind: "written" });
  its?.session.goaway(0, 1);
  await until("two GOAWAYs", () => client.of("GOAWAY").length === 2);
  expect(its?.wire.inject(goawayNotice)).toEqual({ kind: "busy" });
  expect(client.of("GOAWAY").map((frame) => isNotice(frame))).toEqual([true, false]);
});

test("what a program puts in place of a method of the socket is what node calls", async () => {
  const { server, port } = await setUp((_, response) => response.end());
  let corked = 0;
  server.on("secureConnection", (socket: TLSSocket) => {
    const cork = socket.cork.bind(socket);
    socket.cork = () => {
      corked++;
      cork();
    };
  });
  const client = await connectRaw(port, true);
  onTestFinished(() => client.end());
  client.begin();
  const stream = client.request("/");
  await until("the response", () => client.isComplete(stream));
  expect(corked).toBeGreaterThan(0);
});

test("connections that are over leave nothing behind", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const left: WeakRef<object>[] = [];
  const { port } = await setUp((_, response) => {
    left.push(new WeakRef(response.stream.session as object), new WeakRef(response.socket as object));
    response.end(pattern.subarray(0, 50_000));
  });
  for (let round = 0; round < 30; round++) {
    const client = await connectRaw(port, true);
    client.begin();
    const stream = client.request("/");
    await until("the response", () => client.isComplete(stream));
    await client.end();
  }
  const alive = (): number => left.filter((each) => each.deref() !== undefined).length;
  for (let attempt = 0; attempt < 50 && alive() > 4; attempt++) {
    await turn();
    collect();
  }
  expect(left.length).toBe(60);
  expect(alive()).toBeLessThanOrEqual(4); // the last one may still be on the stack
});
