import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { WrongResponse } from "./call.ts";
import { growthOf } from "./growth.ts";
import { expectationOf, judge, type Pods, type Settled } from "./judge.ts";
import type { Plan } from "./plan.ts";

const plan: Plan = {
  kind: "charge",
  messages: 1,
  requestBytes: 10,
  responseBytes: 10,
  delayMs: 0,
  callerDelayMs: 0,
  timeoutMs: undefined,
  leave: { kind: "never" },
  failWith: undefined,
  inTurns: false,
};

const ambiguous =
  "connection 3 to pod-2 (127.0.0.2:80): reset: the request was sent, and it is not known whether it was processed";
const intact: Pods = { wasKilled: () => false, wasFrozen: () => false };
const pod2Killed: Pods = { ...intact, wasKilled: (pod) => pod === "pod-2" };

function verdictOf(error: unknown, call: Partial<Settled> = {}, pods: Pods = intact): string {
  const settled = { plan, startedAt: 0, settledAt: 100, abortedAt: undefined, bytesTaken: 0, pingTimeoutMs: 15_000 };
  return judge({ ...settled, error, ...call }, pods).kind;
}

const unavailable = (text: string): ConnectError => new ConnectError(text, Code.Unavailable);

describe("a call that fails is excused", () => {
  it("by its own abort and its own deadline only", () => {
    const canceled = new ConnectError("", Code.Canceled);
    expect(verdictOf(canceled, { abortedAt: 50 })).toBe("aborted");
    expect(verdictOf(canceled)).toBe("violation");
    const late = new ConnectError("", Code.DeadlineExceeded);
    expect(verdictOf(late, { plan: { ...plan, timeoutMs: 100 } })).toBe("deadline");
    expect(verdictOf(late, { plan: { ...plan, timeoutMs: 200 } })).toBe("violation");
    expect(verdictOf(late)).toBe("violation");
  });

  it("when it is ambiguous, and its pod was killed, or frozen beyond the ping timeout", () => {
    expect(verdictOf(unavailable(ambiguous), {}, pod2Killed)).toBe("ambiguous");
    expect(verdictOf(unavailable(ambiguous.replace("pod-2", "pod-1")), {}, pod2Killed)).toBe("violation");
    expect(verdictOf(unavailable(ambiguous))).toBe("violation");
    const frozen: Pods = { ...intact, wasFrozen: (_pod, _from, _to, ms) => ms <= 2_000 };
    expect(verdictOf(unavailable(ambiguous), { pingTimeoutMs: 1_500 }, frozen)).toBe("ambiguous");
    expect(verdictOf(unavailable(ambiguous), {}, frozen)).toBe("violation");
  });

  it("when it is idempotent only after three attempts", () => {
    const ping: Partial<Settled> = { plan: { ...plan, kind: "ping" } };
    expect(verdictOf(unavailable(`${ambiguous} (3 attempts)`), ping, pod2Killed)).toBe("ambiguous");
    expect(verdictOf(unavailable(`${ambiguous} (2 attempts)`), ping, pod2Killed)).toBe("violation");
    expect(verdictOf(unavailable(ambiguous), ping, pod2Killed)).toBe("violation");
  });

  it("when too much of a stream was sent, and only then", () => {
    const error = unavailable("it was not processed (too much of the request was sent to keep it)");
    const collect: Plan = { ...plan, kind: "collect" };
    expect(verdictOf(error, { plan: collect, bytesTaken: 300_000 })).toBe("committed");
    expect(verdictOf(error, { plan: collect, bytesTaken: 200_000 })).toBe("violation");
    expect(verdictOf(error, { bytesTaken: 300_000 })).toBe("violation");
  });

  it("never when it was not sent, not processed, or anything else", () => {
    for (const text of ["refused: the request was not sent", "GOAWAY: the request was not processed"]) {
      expect(verdictOf(unavailable(`connection 3 to pod-2: ${text}`), {}, pod2Killed)).toBe("violation");
    }
    for (const code of [Code.Internal, Code.Unknown, Code.ResourceExhausted, Code.Unimplemented]) {
      expect(verdictOf(new ConnectError(ambiguous, code), {}, pod2Killed)).toBe("violation");
    }
    expect(verdictOf(new Error("no ConnectError"))).toBe("violation");
    expect(verdictOf(new WrongResponse("7 numbers instead of 8"))).toBe("violation");
  });
});

it("a charge that the pod answered was executed once, one that never began not at all", () => {
  const settled = { plan, startedAt: 0, settledAt: 1, abortedAt: 0, bytesTaken: 0, pingTimeoutMs: 1, error: undefined };
  expect(expectationOf(settled, { kind: "ok" })).toBe("exactlyOnce");
  expect(expectationOf(settled, { kind: "answered" })).toBe("exactlyOnce");
  expect(expectationOf(settled, { kind: "ambiguous" })).toBe("atMostOnce");
  const never = { ...settled, plan: { ...plan, leave: { kind: "beforeStart" } as const } };
  expect(expectationOf(never, { kind: "aborted" })).toBe("never");
  expect(judge(never, intact).kind).toBe("violation");
});

it("growth is told beyond what may come and go", () => {
  const sample = { atMs: 0, heapBytes: 16e6, bufferBytes: 9e6, sockets: 42, timers: 15 };
  expect(growthOf([sample, { ...sample, heapBytes: 18e6, timers: 20 }], 8)).toEqual([]);
  const grown = { ...sample, heapBytes: 22e6, bufferBytes: 15e6, sockets: 60, timers: 40 };
  expect(growthOf([sample, grown], 8)).toHaveLength(4);
  expect(growthOf([sample, sample, grown, grown], 8)).toHaveLength(4);
});
