import type { Attempt } from "../client/client.ts";
import type { Freeze } from "../result.ts";
import { latencyOf } from "./latency.ts";

/** The load's first RPCs are slow: code is compiled. */
const warmUpMs = 1_000;
/** A pod that goes on answers at once what had waited for it. */
const recoveryMs = 1_000;
/** From then on a frozen pod should be given nothing. */
const noticedMs = 2_000;

interface Rpc {
  /** `undefined` for one that failed. */
  readonly pod: string | undefined;
  readonly dueAt: number;
  readonly endedAt: number;
}

/** What the freeze of a pod does to RPCs; only the first counts. Times as in `Metrics`. */
export class FreezeMetrics {
  readonly #startedAt: number;
  readonly #rpcs: Rpc[] = [];
  #freeze: { readonly pod: string; readonly from: number; to: number } | undefined;

  constructor(startedAt: number) {
    this.#startedAt = startedAt;
  }

  completed(pod: string | undefined, latencyMs: number, endedAt: number): void {
    this.#rpcs.push({ pod, dueAt: endedAt - latencyMs, endedAt });
  }

  froze(pod: string, at: number): void {
    this.#freeze ??= { pod, from: at, to: Number.POSITIVE_INFINITY };
  }

  thawed(pod: string, at: number): void {
    if (this.#freeze?.pod === pod) this.#freeze.to = Math.min(this.#freeze.to, at);
  }

  /** `attempts` are all that there were. `null` when no pod froze. */
  measured(attempts: readonly Attempt[]): Freeze | null {
    if (this.#freeze === undefined) return null;
    const { pod, from, to } = this.#freeze;
    const given = attempts.filter((attempt) => attempt.pod === pod && attempt.at >= from && attempt.at < to);
    const waited = this.#rpcs.filter((rpc) => rpc.pod === pod && rpc.dueAt < to && rpc.endedAt >= to);
    const undisturbed = [
      ...this.#othersLatencies(pod, this.#startedAt + warmUpMs, from),
      ...this.#othersLatencies(pod, to + recoveryMs, Number.POSITIVE_INFINITY),
    ];
    const during = this.#othersLatencies(pod, from, to);
    const othersUndisturbedMs = latencyOf(undisturbed);
    const othersDuringMs = latencyOf(during);
    return {
      pod,
      atMs: from - this.#startedAt,
      forMs: to === Number.POSITIVE_INFINITY ? null : to - from,
      othersUndisturbedMs,
      othersDuringMs,
      othersP99Ratio:
        undisturbed.length === 0 || during.length === 0 ? null : othersDuringMs.p99 / othersUndisturbedMs.p99,
      earlyPicks: given.filter(({ at }) => at < from + noticedMs).length,
      latePicks: given.filter(({ at }) => at >= from + noticedMs).length,
      waited: waited.length,
    };
  }

  /** Of RPCs that were due in that time, and that another pod answered. */
  #othersLatencies(pod: string, from: number, to: number): readonly number[] {
    return this.#rpcs
      .filter((rpc) => rpc.pod !== undefined && rpc.pod !== pod && rpc.dueAt >= from && rpc.dueAt < to)
      .map(({ dueAt, endedAt }) => endedAt - dueAt);
  }
}
