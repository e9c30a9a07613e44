import { Code } from "@connectrpc/connect";
import { type Events, leastRequest, type Random, roundRobin, subscribe } from "@evenkeel/core";
import { type ScriptedStream, seededRandom } from "@evenkeel/testing";
import { describe, expect, it, onTestFinished } from "vitest";
import {
  answerGrpc,
  envelope,
  failGrpc,
  grpcHead,
  headersOf,
  podMessage,
  type ScriptedCalls,
  type ScriptedCallsOptions,
  scriptedCalls,
  threePods,
} from "../test-helpers/scripted-calls.ts";

const steps = 400;
const budget = { ratio: 0.1, minPerSecond: 2 };
const codes = [Code.Unavailable, Code.Aborted];

const modes: readonly [name: string, maxAttempts: number, options: ScriptedCallsOptions][] = [
  ["by default", 3, {}],
  ["with retries of everything", 5, { retry: { maxAttempts: 5, methods: { "demo.v1.DemoService": {} } } }],
  [
    "with hedging of everything",
    4,
    {
      hedging: {
        ...{ maxAttempts: 4, hedgingDelayMs: 20, nonFatalCodes: codes },
        methods: { "demo.v1.DemoService": {} },
      },
    },
  ],
  [
    "with both",
    3,
    {
      retry: { methods: { "demo.v1.DemoService/Collect": { retryableCodes: codes } } },
      hedging: { methods: { "demo.v1.DemoService/Count": { hedgingDelayMs: 0, maxAttempts: 3 } } },
    },
  ],
];

interface Rpc {
  readonly id: string;
  readonly abort: AbortController;
  settled: number;
}

/** Random things happen to random RPCs. */
class Storm {
  readonly all: ScriptedCalls;
  readonly rpcs: Rpc[] = [];
  readonly #random: Random;

  constructor(seed: number, options: ScriptedCallsOptions) {
    const random = seededRandom(seed);
    this.#random = random;
    this.all = scriptedCalls({
      ...{ addresses: threePods, retryBudget: budget, random, policy: random() < 0.5 ? roundRobin() : leastRequest() },
      ...options,
    });
  }

  /** Also those that ended before a script could see them. */
  get streams(): readonly ScriptedStream[] {
    return this.all.connector.connections.flatMap(({ streams }) => streams);
  }

  get open(): readonly ScriptedStream[] {
    return this.streams.filter(({ result }) => result === undefined);
  }

  rpcOf(stream: ScriptedStream): Rpc {
    return this.rpcs[Number(headersOf(stream)["x-rpc"])]!;
  }

  async step(): Promise<void> {
    const { clock, connector } = this.all;
    const dice = this.#random();
    if (dice < 0.25) this.#begin();
    else if (dice < 0.65) this.#happens(this.#any(this.open));
    else if (dice < 0.8) await clock.advance(this.#random() * 40);
    else if (dice < 0.83) this.#any(this.rpcs)?.abort.abort();
    else if (dice < 0.88) {
      const connection = this.#any(connector.connections.filter(({ state }) => state === "ready"));
      connection?.changeSuspect(!connection.suspect);
    } else if (dice < 0.89) await clock.advance(400);
    else if (dice < 0.9) {
      const connection = this.#any(connector.connections.filter(({ state }) => state === "ready"));
      connection?.lose(new Error("the connection is gone"));
    } else await clock.advance(0);
    this.check();
  }

  /** Answers whatever comes, until nothing does. */
  async calm(): Promise<void> {
    for (const connection of this.all.connector.connections) {
      if (connection.state === "ready") connection.changeSuspect(false);
    }
    for (let turn = 0; turn < 200; turn++) {
      for (const stream of this.open) if (stream.result === undefined) this.#complete(stream);
      await this.all.clock.advance(100);
    }
  }

  /** Nothing is left of an RPC that is over. */
  check(): void {
    const left = this.open.filter((stream) => this.rpcOf(stream).settled > 0 && !this.#misled.has(stream));
    expect(left).toEqual([]);
  }

  /** Streams whose response made no sense: they may end by themselves. */
  readonly #misled = new WeakSet<ScriptedStream>();
  readonly #answering = new WeakSet<ScriptedStream>();

  #begin(): void {
    const { client } = this.all;
    const rpc: Rpc = { id: String(this.rpcs.length), abort: new AbortController(), settled: 0 };
    this.rpcs.push(rpc);
    const options = {
      headers: { "x-rpc": rpc.id },
      signal: rpc.abort.signal,
      ...(this.#random() < 0.3 ? { timeoutMs: 1 + this.#random() * 500 } : {}),
    };
    const numbers = async function* () {
      yield { number: 1 };
      yield { number: 2 };
    };
    const count = async (): Promise<void> => {
      for await (const _ of client.count({ to: 1 }, options));
    };
    const kinds = [
      () => client.ping({}, options),
      () => client.charge({}, options),
      count,
      () => client.collect(numbers(), options),
    ];
    const settle = (): void => void rpc.settled++;
    this.#any(kinds)?.().then(settle, settle);
  }

  #happens(stream: ScriptedStream | undefined): void {
    if (stream === undefined) return;
    const dice = this.#random();
    const error = new Error("broken by the storm");
    if (this.#misled.has(stream)) return;
    if (this.#answering.has(stream)) {
      if (dice < 0.3) stream.break({ fate: "ambiguous", error });
      else this.#complete(stream);
    } else if (dice < 0.25) answerGrpc(stream);
    else if (dice < 0.45) failGrpc(stream, this.#random() < 0.7 ? 14 : 5);
    else if (dice < 0.5)
      failGrpc(stream, 10, [["grpc-retry-pushback-ms", String(Math.floor(this.#random() * 60) - 15)]]);
    else if (dice < 0.65) stream.break({ fate: "ambiguous", error });
    else if (dice < 0.7) stream.break({ fate: "unprocessed", errorCode: 7, error });
    else if (dice < 0.75) stream.break({ fate: "unprocessed", error });
    else if (dice < 0.78) {
      this.#misled.add(stream);
      stream.sendHeaders(503, []);
    } else if (dice < 0.85) {
      this.#answering.add(stream);
      stream.sendHeaders(200, grpcHead.headers);
    }
  }

  #complete(stream: ScriptedStream): void {
    if (this.#misled.has(stream)) stream.break({ fate: "ambiguous", error: new Error("over") });
    else if (this.#answering.has(stream)) {
      stream.sendData(envelope(podMessage));
      if (stream.result === undefined) stream.sendTrailers([["grpc-status", "0"]]);
      if (stream.result === undefined) stream.complete();
    } else answerGrpc(stream);
  }

  #any<T>(list: readonly T[]): T | undefined {
    return list[Math.floor(this.#random() * list.length)];
  }
}

describe.each(modes)("random events, %s:", (_name, maxAttempts, options) => {
  it.each(Array.from({ length: 10 }, (_, seed) => seed + 1))("seed %d", async (seed) => {
    const outcomes: Events["attempt.end"][] = [];
    onTestFinished(subscribe("attempt.end", (event) => outcomes.push(event)));
    const storm = new Storm(seed, options);
    const { clock, transport, connector } = storm.all;
    await transport.channel.ready();
    for (let step = 0; step < steps; step++) await storm.step();
    await storm.calm();
    storm.check();
    // every call settles, once, and leaves nothing behind
    expect(storm.rpcs.filter(({ settled }) => settled !== 1)).toEqual([]);
    expect(storm.open).toEqual([]);
    expect(transport.channel.snapshot().queued).toBe(0);
    expect(clock.pendingRef).toBe(0);
    // every attempt has one outcome
    const rejected = connector.connections.reduce((sum, connection) => sum + connection.rejected.length, 0);
    expect(outcomes.length).toBe(storm.streams.length + rejected);
    const counted = new Map<Rpc, number>();
    for (const stream of storm.streams) {
      const { result } = stream;
      if (result?.kind === "broken" && result.fate !== "ambiguous") continue;
      const rpc = storm.rpcOf(stream);
      counted.set(rpc, (counted.get(rpc) ?? 0) + 1);
    }
    expect(Math.max(...counted.values())).toBeLessThanOrEqual(maxAttempts);
    const paid = [...counted.values()].reduce((sum, count) => sum + count - 1, 0);
    const { ratio, minPerSecond } = budget;
    const granted = 10 * minPerSecond + (clock.now() / 1_000) * minPerSecond + storm.rpcs.length * ratio;
    expect(paid).toBeLessThanOrEqual(granted);
    expect(paid).toBeGreaterThan(0);
    transport.destroy();
  });
});
