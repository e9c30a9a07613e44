import { setTimeout as sleep } from "node:timers/promises";
import { type Random, randomInt } from "@evenkeel/core";
import { type Cluster, type Pod, seededRandom } from "@evenkeel/testing";

/** Pods that are left alone, so that a call that fails for want of a connection is always wrong. */
const healthyPods = 3;
/** A pod counts as healthy when it has been ready for so long, in milliseconds. */
const settledMs = 500;

/** How often what was done. */
export interface ChaosCounts {
  kills: number;
  freezes: number;
  stops: number;
  rollingRestarts: number;
  scalings: number;
}

/** Kills, freezes, stops and replaces pods at random times. Two loops, so that one thing happens during another. */
export class Chaos {
  readonly counts: ChaosCounts = { kills: 0, freezes: 0, stops: 0, rollingRestarts: 0, scalings: 0 };
  readonly #cluster: Cluster;
  readonly #size: number;
  readonly #onFault: (fault: string) => void;
  readonly #strokes: Random;
  readonly #changes: Random;
  readonly #underWay = new Set<Promise<void>>();
  #paused: AbortController | undefined;
  #loops: Promise<unknown> = Promise.resolve();
  #target: number;

  /** Begins paused. `size`: pods that there are when it is paused. `onFault` is told when pods do not do as they are told. */
  constructor(cluster: Cluster, size: number, seed: number, onFault: (fault: string) => void) {
    this.#cluster = cluster;
    this.#size = size;
    this.#target = size;
    this.#onFault = onFault;
    this.#strokes = seededRandom(seed * 1_000 + 998);
    this.#changes = seededRandom(seed * 1_000 + 999);
  }

  resume(): void {
    this.#paused = new AbortController();
    const { signal } = this.#paused;
    this.#loops = Promise.all([this.#strike(signal), this.#change(signal)]).catch((error) =>
      this.#onFault(String(error)),
    );
  }

  /** Resolves when all pods are there, ready, thawed and published. Rejects when that cannot be had. */
  async pause(): Promise<void> {
    this.#paused?.abort();
    await this.#loops;
    await Promise.all(this.#underWay);
    this.#target = this.#size;
    await this.#cluster.scale(this.#size);
    await this.#cluster.published();
  }

  /** Kills and freezes. */
  async #strike(signal: AbortSignal): Promise<void> {
    const random = this.#strokes;
    while (await slept(300 + randomInt(random, 1_500), signal)) {
      const [isKill, choice, freezeMs] = [random() < 0.45, random(), 500 + randomInt(random, 3_500)];
      const healthy = this.#healthy();
      const pod = healthy[Math.floor(choice * healthy.length)];
      if (pod === undefined || healthy.length <= healthyPods) continue;
      if (isKill) {
        this.counts.kills++;
        await this.#cluster.kill(pod);
      } else {
        this.counts.freezes++;
        this.#keep(this.#freeze(pod, freezeMs, signal));
      }
    }
  }

  async #freeze(pod: Pod, ms: number, signal: AbortSignal): Promise<void> {
    this.#cluster.freeze(pod);
    await slept(ms, signal);
    if (pod.phase !== "exited") this.#cluster.thaw(pod);
  }

  /** Stops, scales and restarts; makes up for pods that were killed. */
  async #change(signal: AbortSignal): Promise<void> {
    const random = this.#changes;
    while (await slept(200 + randomInt(random, 1_000), signal)) {
      const [dice, choice, size] = [random(), random(), this.#size - 2 + randomInt(random, 5)];
      const healthy = this.#healthy();
      if (dice < 0.2 && healthy.length > healthyPods) {
        this.counts.stops++;
        this.#keep(this.#cluster.stop(healthy[Math.floor(choice * healthy.length)] as Pod));
      } else if (dice < 0.35) {
        this.counts.scalings++;
        this.#target = size;
      } else if (dice < 0.43) {
        this.counts.rollingRestarts++;
        await this.#cluster.rollingRestart();
      }
      await this.#cluster.scale(this.#target);
    }
  }

  #healthy(): readonly Pod[] {
    const now = performance.now();
    return this.#cluster.pods.filter(({ phase, readyAt = now }) => phase === "ready" && now - readyAt > settledMs);
  }

  #keep(work: Promise<void>): void {
    const kept = work.catch((error) => this.#onFault(String(error))).finally(() => this.#underWay.delete(kept));
    this.#underWay.add(kept);
  }
}

/** Resolves to false, and at once, when `signal` is aborted. */
async function slept(ms: number, signal: AbortSignal): Promise<boolean> {
  try {
    await sleep(ms, undefined, { signal });
    return true;
  } catch {
    return false;
  }
}
