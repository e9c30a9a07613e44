// The checks of every server that speaks a protocol of ours, whichever way it is reached.
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import { staticEndpoints } from "@evenkeel/core";
import { ChargeResponseSchema } from "../../gen/demo/v1/demo_pb.ts";
import { host } from "../children.ts";
import { connect, type Route } from "../clients.ts";
import type { ListenerName, Server } from "../program.ts";
import { type Body, expectNone, inParallel, type RunCheck } from "../suite.ts";
import { Tap } from "../tap.ts";

const large = 16 * 1024 * 1024;

/** A server, its listener that answers, and the way to it. */
export interface Subject {
  readonly server: Server;
  /** Whether its gRPC errors before the first message are what gRPC calls Trailers-Only. */
  readonly sendsTrailersOnly: boolean;
  readonly listener: ListenerName;
  readonly route: Route;
}

/** What holds for every RPC: messages and errors, deadlines and cancellation. */
export async function checkRpcs(subject: Subject, check: RunCheck): Promise<void> {
  await checkMessages(subject, check);
  await check("deadline", deadline(subject));
  await check("cancel", cancel(subject));
}

/** What a server sends. */
export async function checkMessages(subject: Subject, check: RunCheck): Promise<void> {
  await check("unary", unary(subject));
  await check("server stream", serverStream(subject));
  await check("client stream", clientStream(subject));
  await check("bidi stream", bidiStream(subject));
  await check("16 MiB", largeMessages(subject));
  await check("errors", errors(subject));
}

function unary({ route }: Subject): Body {
  return async (use) => {
    const client = connect(route, use);
    const payload = new TextEncoder().encode("sloth");
    const response = await client.ping({ payload });
    ok(Buffer.from(payload).equals(response.payload), "the response is not the request");
    ok(response.pod !== "", "no name of a pod");
    const empty = await client.ping({});
    strictEqual(empty.payload.length, 0);
    let header: Headers | undefined;
    let trailer: Headers | undefined;
    await client.charge(
      { payload },
      {
        onHeader: (headers) => {
          header = headers;
        },
        onTrailer: (trailers) => {
          trailer = trailers;
        },
      },
    );
    strictEqual(header?.get("x-header"), "h", "x-header");
    strictEqual(trailer?.get("x-trailer"), "t", "x-trailer");
    return undefined;
  };
}

function serverStream({ route }: Subject): Body {
  return async (use) => {
    const client = connect(route, use);
    const numbers: number[] = [];
    for await (const { number, payload } of client.count({ to: 12, work: { payloadBytes: 100_000 } })) {
      strictEqual(payload.length, 100_000);
      numbers.push(number);
    }
    deepStrictEqual(
      numbers,
      Array.from({ length: 12 }, (_, index) => index + 1),
    );
    return undefined;
  };
}

function clientStream({ route }: Subject): Body {
  return async (use) => {
    const client = connect(route, use);
    const payload = new Uint8Array(10_000);
    async function* numbers() {
      for (let number = 1; number <= 100; number++) yield { number, payload };
    }
    const { sum, received } = await client.collect(numbers());
    strictEqual(sum, 5_050n);
    strictEqual(received, 100);
    return undefined;
  };
}

/** Each message waits for the answer to the one before: a peer or a client that buffers one side never ends. */
function bidiStream({ route }: Subject): Body {
  return async (use) => {
    const client = connect(route, use);
    const answered = Array.from({ length: 51 }, () => Promise.withResolvers<void>());
    answered[0]!.resolve();
    async function* texts() {
      for (let index = 0; index < 50; index++) {
        await answered[index]!.promise;
        yield { text: `message ${index}` };
      }
    }
    let received = 0;
    for await (const { text } of client.chat(texts())) {
      strictEqual(text, `message ${received}`);
      answered[++received]!.resolve();
    }
    strictEqual(received, 50);
    return undefined;
  };
}

function largeMessages({ route }: Subject): Body {
  return async (use) => {
    const client = connect(route, use);
    const payload = pattern(large);
    const response = await client.ping({ payload });
    ok(Buffer.from(payload).equals(response.payload), "the response is not the request");
    async function* one() {
      yield { number: 1, payload };
    }
    strictEqual((await client.collect(one())).sum, 1n);
    for await (const message of client.count({ to: 2, work: { payloadBytes: large } })) {
      strictEqual(message.payload.length, large);
    }
    return undefined;
  };
}

function errors({ route, sendsTrailersOnly }: Subject): Body {
  return async (use) => {
    const tap = route.tls ? undefined : await Tap.start(route.port, use);
    const client = connect({ ...route, port: tap?.port ?? route.port }, use);
    const expectError = async (call: Promise<unknown>, code: Code, message: string): Promise<void> => {
      const error = await failureOf(call);
      strictEqual(Code[error.code], Code[code]);
      strictEqual(error.rawMessage, message);
      const details = error.findDetails(ChargeResponseSchema);
      strictEqual(details.length, 1, "details");
      ok(details[0]?.pod !== "", "a detail without its content");
      strictEqual(error.metadata.get("x-reason"), "poor");
    };
    await expectError(client.charge({ payload: new Uint8Array(1) }), Code.FailedPrecondition, "no funds ☂");
    await expectError(drain(client.count({ to: 0 })), Code.InvalidArgument, "nothing to count");
    let received = 0;
    const counted = async (): Promise<void> => {
      for await (const { number } of client.count({ to: 20 })) received = number;
    };
    await expectError(counted(), Code.DataLoss, "unlucky");
    strictEqual(received, 12, "messages before the error");
    if (tap === undefined) return undefined;
    if (sendsTrailersOnly) strictEqual(tap.trailersOnly, 2, "Trailers-Only responses");
    return `${tap.trailersOnly} Trailers-Only`;
  };
}

function deadline({ server, listener, route }: Subject): Body {
  return async (use) => {
    const client = connect(route, use);
    await client.ping({});
    await server.reset(listener);
    for (const call of [
      () => client.ping({ work: { delayMs: 10_000 } }, { timeoutMs: 300 }),
      () => drain(client.count({ to: 10, work: { delayMs: 200 } }, { timeoutMs: 300 })),
    ]) {
      const startedAt = performance.now();
      const error = await failureOf(call());
      const took = performance.now() - startedAt;
      strictEqual(Code[error.code], "DeadlineExceeded", error.message);
      ok(took > 250 && took < 2_000, `a deadline of 300 ms came after ${Math.round(took)} ms`);
    }
    ok((await server.stats(listener)).deadlines >= 2, "the server saw no deadline");
    await untilCancelled(server, listener, 2);
    return undefined;
  };
}

function cancel({ server, listener, route }: Subject): Body {
  return async (use) => {
    const client = connect(route, use);
    await client.ping({});
    await server.reset(listener);
    const unary = new AbortController();
    const call = failureOf(client.ping({ work: { delayMs: 10_000 } }, { signal: unary.signal }));
    await sleep(200);
    unary.abort();
    strictEqual(Code[(await call).code], "Canceled");
    await untilCancelled(server, listener, 1);
    const stream = new AbortController();
    const counted = async (): Promise<void> => {
      for await (const { number } of client.count({ to: 12, work: { delayMs: 100 } }, { signal: stream.signal })) {
        if (number === 3) stream.abort();
      }
    };
    strictEqual(Code[(await failureOf(counted())).code], "Canceled");
    await untilCancelled(server, listener, 2);
    return undefined;
  };
}

/** More RPCs at once than the server takes on a connection: none may fail, and none be refused. */
export function streamLimit(route: Route, limit: number): Body {
  return async (use) => {
    const tap = await Tap.start(route.port, use);
    const client = connect({ ...route, port: tap.port }, use);
    const count = 60;
    const failures = await inParallel(count, count, (index) =>
      index % 4 === 0
        ? drain(client.count({ to: 3, work: { delayMs: 5 } }))
        : client.ping({ work: { delayMs: 10 }, payload: new Uint8Array(index * 1_000) }),
    );
    expectNone(failures, count);
    strictEqual(tap.refused, 0, "streams that the server refused");
    strictEqual(tap.maxOpen, limit, "the most streams at once");
    return `${tap.connections} conn`;
  };
}

/**
 * The server retires every connection after 200 ms, and the client has 3 of them: each charge runs once, and streams
 * that last longer than a connection's age end whole.
 */
export function retirement(server: Server, route: Route): Body {
  return async (use) => {
    const taps = [await Tap.start(route.port, use), await Tap.start(route.port, use), await Tap.start(route.port, use)];
    const retired = (): number => taps.reduce((sum, tap) => sum + tap.retired, 0);
    const resolver = staticEndpoints(taps.map(({ port }) => `${host}:${port}`));
    const client = connect({ ...route, port: taps[0]!.port }, use, { resolver });
    await server.reset("retiring");
    const run = randomId();
    const failures: unknown[] = [];
    let count = 0;
    let isOver = false;
    use(() => {
      isOver = true;
    });
    const goesOn = (): boolean => {
      isOver ||= (count >= 2_000 && retired() >= 9) || count >= 20_000;
      return !isOver;
    };
    const charge = async (): Promise<void> => {
      while (goesOn()) {
        const payload = chargeId(run, count++);
        await client.charge({ payload, work: { delayMs: 5 } }).catch((error) => failures.push(error));
      }
    };
    const stream = async (): Promise<void> => {
      while (goesOn()) {
        await drain(client.count({ to: 10, work: { delayMs: 40 } })).catch((error) => failures.push(error));
      }
    };
    await Promise.all([...Array.from({ length: 32 }, charge), ...Array.from({ length: 4 }, stream)]);
    expectNone(failures, count);
    const stats = await server.stats("retiring");
    strictEqual(stats.unique, count, "charges that ran");
    strictEqual(stats.charges, count, "charges that ran, counting those that ran twice");
    ok(retired() >= 9, `${retired()} connections were retired`);
    return `${count} charges, ${retired()} GOAWAY`;
  };
}

/** The server ends in order, and comes back: charges wait for it, and each runs once. */
export function restart(start: (port: number) => Promise<Server>, route: Omit<Route, "port">): Body {
  return async (use) => {
    const first = await start(0);
    use(() => first.child.kill());
    const port = first.port("plain");
    const client = connect({ ...route, port }, use, { waitForReady: true });
    const run = randomId();
    let index = 0;
    let ended = false;
    const failures: unknown[] = [];
    const callers = Array.from({ length: 16 }, async () => {
      while (!ended) {
        await client.charge({ payload: chargeId(run, index++), work: { delayMs: 5 } }).catch((e) => failures.push(e));
      }
    });
    use(() => {
      ended = true;
    });
    await sleep(300);
    const before = (await first.retire())["plain"]!;
    const second = await start(port);
    use(() => second.child.kill());
    await client.charge({ payload: chargeId(run, index++) });
    await sleep(200);
    ended = true;
    await Promise.all(callers);
    expectNone(failures, index);
    const after = await second.stats("plain");
    ok(before.unique > 0, "nothing ran before the restart");
    strictEqual(before.unique + after.unique, index, "charges that ran");
    strictEqual(before.charges + after.charges, index, "charges that ran, counting those that ran twice");
    return `${index} charges`;
  };
}

/** The server dies under its RPCs: what is idempotent runs again when it is back, and nothing else does. */
export function kill(start: (port: number) => Promise<Server>, route: Omit<Route, "port">): Body {
  return async (use) => {
    const first = await start(0);
    use(() => first.child.kill());
    const port = first.port("plain");
    const client = connect({ ...route, port }, use, { waitForReady: true });
    const run = randomId();
    await client.ping({});
    const charges = Array.from({ length: 8 }, (_, index) =>
      failureOf(client.charge({ payload: chargeId(run, index), work: { delayMs: 3_000 } })),
    );
    const pings = Array.from({ length: 4 }, () => client.ping({ work: { delayMs: 500 } }));
    const pinged = Promise.allSettled(pings);
    await sleep(200);
    strictEqual((await first.stats("plain")).charges, 8, "charges that had begun");
    await first.child.kill();
    for (const error of await Promise.all(charges)) strictEqual(Code[error.code], "Unavailable", error.message);
    const second = await start(port);
    use(() => second.child.kill());
    const lost = (await pinged).filter((ping) => ping.status === "rejected").map((ping) => ping.reason);
    expectNone(lost, pings.length);
    strictEqual((await second.stats("plain")).charges, 0, "charges that ran twice");
    return undefined;
  };
}

/** A payload that no other charge of the run has. */
export function chargeId(run: number, index: number): Uint8Array<ArrayBuffer> {
  const id = new Uint8Array(8);
  const view = new DataView(id.buffer);
  view.setUint32(0, run);
  view.setUint32(4, index);
  return id;
}

export function randomId(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0]!;
}

export async function drain(messages: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of messages);
}

/** What a call failed with. Rejects when it did not fail. */
export async function failureOf(call: Promise<unknown>): Promise<ConnectError> {
  try {
    await call;
  } catch (error) {
    if (error instanceof ConnectError) return error;
    throw new Error(`failed with what is no ConnectError: ${error}`, { cause: error });
  }
  throw new Error("did not fail");
}

/** Bytes of which no part is like another of its size. */
export function pattern(length: number): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(length / 4);
  for (let index = 0; index < words.length; index++) words[index] = Math.imul(index, 0x9e37_79b1);
  return new Uint8Array(words.buffer);
}

async function untilCancelled(server: Server, listener: ListenerName, count: number): Promise<void> {
  for (let waited = 0; waited < 3_000; waited += 50) {
    if ((await server.stats(listener)).cancelled >= count) return;
    await sleep(50);
  }
  throw new Error(`the server saw ${(await server.stats(listener)).cancelled} of ${count} cancellations`);
}
