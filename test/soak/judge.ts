import { Code, ConnectError } from "@connectrpc/connect";
import { WrongResponse } from "./call.ts";
import type { Expectation } from "./ledger.ts";
import type { Plan } from "./plan.ts";

/** A call that has settled. Times in milliseconds. */
export interface Settled {
  readonly plan: Plan;
  readonly startedAt: number;
  readonly settledAt: number;
  readonly abortedAt: number | undefined;
  readonly bytesTaken: number;
  readonly pingTimeoutMs: number;
  /** What it was rejected with; `undefined` for a success. */
  readonly error: unknown;
}

/** What is known of the pods. */
export interface Pods {
  wasKilled(pod: string, fromMs: number, toMs: number): boolean;
  wasFrozen(pod: string, fromMs: number, toMs: number, ms: number): boolean;
}

/**
 * What became of a call.
 *
 * - `ok`, `aborted`, `deadline`: as its caller wanted it.
 * - `answered`: it failed with the code that the pod was asked for.
 * - `ambiguous`: it was under way on a pod that was killed, or frozen beyond the ping timeout; and where it may be sent
 *   again, all of its attempts were.
 * - `committed`: it was not processed, and too much of its request was sent to keep it.
 * - `violation`: section 6 of the design does not allow it.
 */
export const verdicts = ["ok", "aborted", "deadline", "answered", "ambiguous", "committed", "violation"] as const;
export type Verdict =
  | { readonly kind: Exclude<(typeof verdicts)[number], "violation"> }
  | { readonly kind: "violation"; readonly what: string };

/** Timers of node may fire a little before their time. */
const timerSlackMs = 5;
const maxAttempts = 3;
/** Bytes of a streaming request that are kept for another attempt. */
const replayLimitBytes = 256 * 1_024;

export function judge(call: Settled, pods: Pods): Verdict {
  const { plan, error, abortedAt } = call;
  if (error === undefined) {
    return plan.leave.kind === "beforeStart"
      ? violation("succeeded although it was aborted before its start")
      : plan.failWith !== undefined
        ? violation(`succeeded although the pod was asked for ${Code[plan.failWith]}`)
        : { kind: "ok" };
  }
  if (error instanceof WrongResponse) return violation(`wrong response: ${error.message}`);
  if (!(error instanceof ConnectError)) return violation(`no ConnectError: ${String(error)}`);
  const { code, rawMessage } = error;
  if (code === Code.Canceled && abortedAt !== undefined) return { kind: "aborted" };
  if (code === Code.DeadlineExceeded && isOver(call)) return { kind: "deadline" };
  if (code === plan.failWith && rawMessage === "as it was asked to") return { kind: "answered" };
  const text = `${Code[code]}: ${rawMessage}`;
  if (code !== Code.Unavailable) return violation(text);
  if (/too much of the request was sent to keep it/.test(rawMessage)) {
    const isStream = plan.kind === "collect" || plan.kind === "chat";
    return isStream && call.bytesTaken > replayLimitBytes ? { kind: "committed" } : violation(text);
  }
  if (!/it is not known whether it was processed/.test(rawMessage)) return violation(text);
  const pod = /\bpod-\d+\b/.exec(rawMessage)?.[0];
  if (pod === undefined) return violation(`${text} (which names no pod)`);
  if (!isExplained(call, pod, pods)) return violation(`${text} (nothing was done to that pod)`);
  const attempts = Number(/\((\d+) attempts/.exec(rawMessage)?.[1] ?? 1);
  if (plan.kind === "ping" && attempts < maxAttempts) {
    return violation(`${text} (idempotent, and sent ${attempts} times only)`);
  }
  return { kind: "ambiguous" };
}

/** How often the charge may have been executed. */
export function expectationOf({ plan }: Settled, { kind }: Verdict): Expectation {
  if (plan.leave.kind === "beforeStart") return "never";
  return kind === "ok" || kind === "answered" ? "exactlyOnce" : "atMostOnce";
}

function isOver({ plan, startedAt, settledAt }: Settled): boolean {
  return plan.timeoutMs !== undefined && settledAt - startedAt >= plan.timeoutMs - timerSlackMs;
}

function isExplained({ startedAt, settledAt, pingTimeoutMs }: Settled, pod: string, pods: Pods): boolean {
  return pods.wasKilled(pod, startedAt, settledAt) || pods.wasFrozen(pod, startedAt, settledAt, pingTimeoutMs * 0.9);
}

function violation(what: string): Verdict {
  return { kind: "violation", what };
}
