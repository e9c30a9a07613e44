import type { ClientName } from "./clients/table.ts";

/** What a client does again and again. */
export type Operation = "unary" | "real" | "stream";

/** What every RPC of a case is answered with. */
export type AnswerName = "small" | "10k" | "1mib" | "16mib";

export interface AnswerSpec {
  /** The length of the payload field of a message. */
  readonly payloadBytes: number;
  /** How many messages make the answer. */
  readonly messages: number;
}

export const answerSpecs: Readonly<Record<AnswerName, AnswerSpec>> = {
  small: { payloadBytes: 16, messages: 1 },
  "10k": { payloadBytes: 0, messages: 10_000 },
  "1mib": { payloadBytes: 2 ** 20, messages: 1 },
  "16mib": { payloadBytes: 2 ** 24, messages: 1 },
};

export interface Case {
  readonly name: string;
  readonly title: string;
  readonly operation: Operation;
  readonly answer: AnswerName;
  /** So many RPCs are under way at any time. */
  readonly concurrency: number;
  /** What CPU and rate are counted in. Latencies are always those of whole RPCs. */
  readonly unit: "RPC" | "message";
  /** What a proxy adds to the round trip; 0: there is no proxy. */
  readonly addedMs: number;
  readonly rounds: number;
  /** Those that take part unless others are asked for. */
  readonly clients: readonly ClientName[];
  /** No RPC starts after so long, but each of the concurrent callers makes at least one. */
  readonly roundMs: number;
  /** CPU time of a round before the first, which is not counted; `undefined`: there is none. */
  readonly warmUpMs: number | undefined;
}

const usual = {
  operation: "unary",
  answer: "small",
  concurrency: 1,
  unit: "RPC",
  addedMs: 0,
  rounds: 7,
  clients: [
    "evenkeel-grpc",
    "evenkeel-connect",
    "grpc-js-rr",
    "connect-node-grpc",
    "connect-node-connect",
    "node-http2",
  ],
  roundMs: 400,
  warmUpMs: 700,
} as const satisfies Partial<Case>;

/** In the order in which they run. */
export const cases: readonly Case[] = [
  { ...usual, name: "unary-1", title: "small unary RPCs, one at a time" },
  { ...usual, name: "unary-64", title: "small unary RPCs, 64 at a time", concurrency: 64 },
  { ...usual, name: "unary-512", title: "small unary RPCs, 512 at a time", concurrency: 512 },
  {
    ...usual,
    name: "unary-64-real",
    title: "as unary-64, with timeout, AbortSignal, two request headers and an interceptor",
    operation: "real",
    concurrency: 64,
  },
  {
    ...usual,
    name: "stream-10k",
    title: "server streams of 10 000 small messages, one at a time; p50 and p99 are those of a stream",
    operation: "stream",
    answer: "10k",
    unit: "message",
  },
  { ...usual, name: "download-1mib", title: "unary responses of 1 MiB, one at a time", answer: "1mib" },
  {
    ...usual,
    name: "download-10ms",
    title: "unary responses of 16 MiB through a proxy that adds 10 ms, one at a time",
    answer: "16mib",
    addedMs: 10,
    rounds: 3,
    roundMs: 0,
    warmUpMs: undefined, // 3 s for most clients; the median leaves the first round out
  },
  {
    ...usual,
    name: "grpc-js",
    title: "as unary-64, grpc-js with its own round robin and with policies of ours",
    concurrency: 64,
    rounds: 15,
    warmUpMs: 3_000, // grpc-js gets faster for so long, by more than what the policies cost
    clients: ["grpc-js-rr", "evenkeel-grpc-js", "evenkeel-grpc-js-lr", "evenkeel-grpc"],
  },
];
