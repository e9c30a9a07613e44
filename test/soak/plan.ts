import { Code } from "@connectrpc/connect";
import { type Random, randomInt } from "@evenkeel/core";
import type { Route } from "./transports.ts";

export const kinds = ["ping", "charge", "count", "collect", "chat"] as const;
export type Kind = (typeof kinds)[number];

/** How a caller ends its call early. */
export type Leave =
  | { readonly kind: "never" }
  /** The signal is aborted before the call begins. */
  | { readonly kind: "beforeStart" }
  | { readonly kind: "after"; readonly ms: number }
  /** The signal is aborted after so many messages of the response. */
  | { readonly kind: "afterMessages"; readonly count: number }
  /** The loop over `Transport.stream` is left after so many messages. */
  | { readonly kind: "return"; readonly count: number };

/** One call, all decided beforehand. Times in milliseconds. */
export interface Plan {
  readonly kind: Kind;
  /** Of a stream, in each direction that it has. */
  readonly messages: number;
  /** Of payload, in each message. */
  readonly requestBytes: number;
  readonly responseBytes: number;
  /** How long the pod takes for each message of the response. */
  readonly delayMs: number;
  /** How long the caller takes before each message that it sends, or after each that it reads. */
  readonly callerDelayMs: number;
  readonly timeoutMs: number | undefined;
  readonly leave: Leave;
  /** The code that the pod is asked to fail with. */
  readonly failWith: Code | undefined;
  /** Whether a chat waits for each answer before it goes on. */
  readonly inTurns: boolean;
}

const codes = [Code.FailedPrecondition, Code.Unavailable, Code.ResourceExhausted, Code.Internal, Code.Aborted];
/** Of all the messages of a stream, in one direction. */
const maxStreamBytes = 1_024 * 1_024;

/** How often each kind comes. */
const shares: Readonly<Record<Kind, number>> = { ping: 3, charge: 4, count: 1, collect: 1, chat: 1 };
const mix = kinds.flatMap((kind) => Array<Kind>(shares[kind]).fill(kind));

export function planCall(random: Random, route: Route): Plan {
  const kind = pick(random, mix);
  const isUnary = kind === "ping" || kind === "charge";
  const messages = isUnary ? 1 : randomInt(random, 4) === 0 ? randomInt(random, 40) : randomInt(random, 8);
  const maxBytes = isUnary
    ? route.maxBytes
    : Math.min(route.maxBytes, Math.floor(maxStreamBytes / Math.max(1, messages)));
  const requestBytes = bytes(random, kind === "ping" ? Math.min(route.maxPingBytes, maxBytes) : maxBytes);
  const isSlow = !isUnary && random() < 0.2;
  return {
    kind,
    messages,
    requestBytes,
    responseBytes: bytes(random, maxBytes),
    delayMs: isUnary ? delay(random) : randomInt(random, 20),
    callerDelayMs: isSlow ? randomInt(random, 60) : 0,
    timeoutMs: random() < 0.35 ? undefined : Math.round(logUniform(random, 1, 5_000)),
    leave: leave(random, kind, messages),
    failWith: kind === "charge" && random() < 0.03 ? pick(random, codes) : undefined,
    inTurns: random() < 0.5,
  };
}

function leave(random: Random, kind: Kind, messages: number): Leave {
  const dice = random();
  if (dice < 0.02) return { kind: "beforeStart" };
  if (dice < 0.12) return { kind: "after", ms: logUniform(random, 0.5, 1_000) };
  if (kind === "count" && dice < 0.35 && messages > 0) {
    return { kind: dice < 0.25 ? "afterMessages" : "return", count: 1 + randomInt(random, messages) };
  }
  return { kind: "never" };
}

/** Mostly small, a few large, 8 MiB rarely. */
function bytes(random: Random, max: number): number {
  const dice = random();
  if (dice < 0.1) return 0;
  if (dice < 0.7) return Math.round(logUniform(random, 1, Math.min(1_024, max)));
  if (dice < 0.97) return Math.round(logUniform(random, 1, Math.min(64 * 1_024, max)));
  if (dice < 0.9995) return Math.round(logUniform(random, 1, Math.min(1_024 * 1_024, max)));
  return max;
}

function delay(random: Random): number {
  const dice = random();
  if (dice < 0.6) return randomInt(random, 5);
  return dice < 0.95 ? randomInt(random, 100) : randomInt(random, 800);
}

function logUniform(random: Random, min: number, max: number): number {
  return min * (max / min) ** random();
}

function pick<T>(random: Random, choices: readonly T[]): T {
  return choices[randomInt(random, choices.length)] as T;
}
