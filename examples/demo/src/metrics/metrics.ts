import type { Attempt } from "../client/client.ts";
import type { NewPod, RunEvent, RunResult } from "../result.ts";
import { FreezeMetrics } from "./freeze-metrics.ts";
import { latencyOf } from "./latency.ts";
import { PodMetrics } from "./pod-metrics.ts";
import { windowMs } from "./rate-window.ts";

/** A fair share is this much of what the mean pod answers in a second. */
const fairShare = 0.8;
const maxMessages = 10;

/** What one run measures; the rest of its result is said by the options and the client. */
export type Measured = Pick<
  RunResult,
  | "rpcs"
  | "ok"
  | "failed"
  | "errors"
  | "messages"
  | "elapsedMs"
  | "stallMs"
  | "perPod"
  | "latencyMs"
  | "events"
  | "newPods"
  | "freeze"
>;

/** Counts a run. Knows no clock: it is told when things happened, in milliseconds of one and the same clock. */
export class Metrics {
  readonly #startedAt: number;
  readonly #pods = new Map<string, PodMetrics>();
  readonly #latencies: number[] = [];
  readonly #errors = new Map<string, number>();
  readonly #messages = new Set<string>();
  readonly #events: RunEvent[] = [];
  readonly #freeze: FreezeMetrics;
  #ok = 0;
  #failed = 0;
  #lastAt: number | undefined;
  #stallMs = 0;

  /** `pods` are ready when the load starts. */
  constructor(startedAt: number, pods: readonly string[]) {
    this.#startedAt = startedAt;
    this.#freeze = new FreezeMetrics(startedAt);
    for (const name of pods) this.#pods.set(name, new PodMetrics(name, Number.NEGATIVE_INFINITY));
  }

  get ok(): number {
    return this.#ok;
  }

  get failed(): number {
    return this.#failed;
  }

  get completed(): number {
    return this.#ok + this.#failed;
  }

  get events(): readonly RunEvent[] {
    return this.#events;
  }

  /** Whether no pod that became ready during the load, and still is, waits for its fair share. */
  get sharesAreFair(): boolean {
    return !this.#ready().some((pod) => pod.awaitsFairShare);
  }

  succeeded(podName: string, latencyMs: number, at: number): void {
    this.#ok++;
    this.#complete(podName, latencyMs, at);
    const pod = this.#pod(podName);
    pod.answer(at);
    if (pod.readySince !== undefined && pod.awaitsFairShare && this.#isFair(pod, at)) pod.gotFairShare(at);
  }

  fail(code: string, message: string, latencyMs: number, at: number): void {
    this.#failed++;
    this.#complete(undefined, latencyMs, at);
    this.#errors.set(code, (this.#errors.get(code) ?? 0) + 1);
    if (this.#messages.size < maxMessages) this.#messages.add(message);
  }

  /** Something happened to a pod. */
  happened(kind: RunEvent["kind"], podName: string, at: number): RunEvent {
    const pod = this.#pod(podName);
    if (kind === "ready") pod.becameReady(at);
    else if (kind === "frozen") this.#freeze.froze(podName, at);
    else if (kind === "thawed") this.#freeze.thawed(podName, at);
    else if (kind === "terminating" || kind === "killed" || kind === "exited") pod.readySince = undefined;
    const event = { atMs: at - this.#startedAt, kind, pod: podName, rpcsBefore: this.completed };
    this.#events.push(event);
    return event;
  }

  /** Every pod that there was so far, in the order in which they came. */
  pods(now: number): readonly { readonly name: string; readonly answered: number; readonly lastSecond: number }[] {
    return Array.from(this.#pods.values(), ({ name, answered, recent }) => ({
      name,
      answered,
      lastSecond: recent.count(now),
    }));
  }

  /** `attempts` are all that the client made. */
  measured(attempts: readonly Attempt[]): Measured {
    const pods = [...this.#pods.values()];
    return {
      rpcs: this.completed,
      ok: this.#ok,
      failed: this.#failed,
      errors: Object.fromEntries(this.#errors),
      messages: [...this.#messages],
      elapsedMs: (this.#lastAt ?? this.#startedAt) - this.#startedAt,
      stallMs: this.#stallMs,
      perPod: Object.fromEntries(pods.map(({ name, answered }) => [name, answered])),
      latencyMs: latencyOf(this.#latencies),
      events: this.#events,
      freeze: this.#freeze.measured(attempts),
      newPods: Object.fromEntries(
        pods.flatMap((pod): [string, NewPod][] => {
          const newPod = pod.newPod(this.#startedAt);
          return newPod === undefined ? [] : [[pod.name, newPod]];
        }),
      ),
    };
  }

  #complete(podName: string | undefined, latencyMs: number, at: number): void {
    this.#freeze.completed(podName, latencyMs, at);
    this.#latencies.push(latencyMs);
    if (this.#lastAt !== undefined) this.#stallMs = Math.max(this.#stallMs, at - this.#lastAt);
    this.#lastAt = at;
  }

  /** The mean pod is that of the pods that were ready throughout the last second, if there are any. */
  #isFair(pod: PodMetrics, now: number): boolean {
    const ready = this.#ready();
    const full = ready.filter(({ readySince = now }) => now - readySince >= windowMs);
    const peers = full.length > 0 ? full : ready;
    const mean = peers.reduce((sum, { recent }) => sum + recent.count(now), 0) / peers.length;
    return pod.recent.count(now) >= fairShare * mean;
  }

  #ready(): readonly PodMetrics[] {
    return [...this.#pods.values()].filter(({ readySince }) => readySince !== undefined);
  }

  #pod(name: string): PodMetrics {
    const pod = this.#pods.get(name) ?? new PodMetrics(name, undefined);
    this.#pods.set(name, pod);
    return pod;
  }
}
