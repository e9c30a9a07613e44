import { type Clock, createEndpoint, type Endpoint, type ResolverFactory, type ResolverListener } from "@evenkeel/core";
import { KeyCache, type Keys } from "./key-cache.ts";
import { Pod } from "./pod.ts";
import type { Cycle, PodGroup } from "./scenario.ts";

/** The pods of a scenario, as time goes by, and the resolver that tells of them. */
export class Cluster {
  readonly #clock: Clock;
  readonly #keys: Keys | undefined;
  /** Also those that left: their last RPCs are under way. */
  readonly #pods = new Map<string, Pod>();
  readonly #present = new Set<Pod>();
  /** Those of `present` that are odd at the moment. */
  readonly #odd = new Set<Pod>();
  readonly #listeners = new Set<ResolverListener>();
  #endpoints: readonly Endpoint[] = [];
  #born = 0;

  constructor(clock: Clock, groups: readonly PodGroup[], keys?: Keys) {
    this.#clock = clock;
    this.#keys = keys;
    for (const group of groups) {
      if (group.visits !== undefined) this.#visit(group, group.visits);
      else this.#arrange(group, this.#join(group));
    }
    this.#tell();
  }

  /** The share of the pods that are odd at the moment. */
  get oddShare(): number {
    return this.#odd.size / this.#present.size;
  }

  get pods(): Iterable<Pod> {
    return this.#present;
  }

  pod(key: string): Pod | undefined {
    return this.#pods.get(key);
  }

  isOdd(key: string): boolean {
    const pod = this.#pods.get(key);
    return pod !== undefined && this.#odd.has(pod);
  }

  readonly resolver: ResolverFactory = (_target, listener) => {
    this.#listeners.add(listener);
    listener({ kind: "endpoints", endpoints: this.#endpoints });
    return { resolveNow() {}, close: () => void this.#listeners.delete(listener) };
  };

  #join({ count, workers, zone, weight = 1, slowdown = 1, fails, visits }: PodGroup): Pod[] {
    return Array.from({ length: count }, () => {
      const id = ++this.#born;
      const pod = new Pod({
        clock: this.#clock,
        endpoint: createEndpoint({
          ...{ host: `10.0.${id >> 8}.${id & 255}`, port: 8080, podName: `pod-${id}`, weight },
          ...(zone === undefined ? {} : { zone }),
        }),
        workers,
        cache: this.#keys === undefined ? undefined : new KeyCache(this.#keys),
        slowdown: visits === undefined ? constantly(slowdown) : warmingUp(visits),
      });
      if (fails !== undefined && fails.during === undefined) pod.failsAfterMs = fails.afterMs;
      this.#pods.set(pod.endpoint.key, pod);
      this.#present.add(pod);
      return pod;
    });
  }

  #arrange({ isOdd, freezes, fails }: PodGroup, pods: readonly Pod[]): void {
    if (isOdd === true) this.#setOdd(pods, true);
    if (freezes !== undefined) {
      this.#cycle(
        freezes,
        () => {
          for (const pod of pods) pod.freeze();
          this.#setOdd(pods, true);
        },
        () => {
          for (const pod of pods) pod.thaw();
          this.#setOdd(pods, false);
        },
      );
    }
    if (fails?.during === undefined) return;
    this.#cycle(
      fails.during,
      () => {
        for (const pod of pods) pod.failsAfterMs = fails.afterMs;
        this.#setOdd(pods, false);
      },
      () => {
        for (const pod of pods) pod.failsAfterMs = undefined;
        this.#setOdd(pods, true);
      },
    );
  }

  #visit(group: PodGroup, visits: NonNullable<PodGroup["visits"]>): void {
    let pods: readonly Pod[] = [];
    this.#cycle(
      visits,
      () => {
        pods = this.#join(group);
        const cold = pods;
        this.#setOdd(cold, true);
        this.#clock.setTimeout(() => this.#setOdd(cold, false), visits.coldMs);
        this.#tell();
      },
      () => {
        this.#setOdd(pods, false);
        for (const pod of pods) this.#present.delete(pod);
        this.#tell();
      },
    );
  }

  #cycle({ everyMs, fromMs, forMs }: Cycle, begin: () => void, end: () => void): void {
    const round = (): void => {
      this.#clock.setTimeout(begin, fromMs);
      this.#clock.setTimeout(end, fromMs + forMs);
      this.#clock.setTimeout(round, everyMs);
    };
    round();
  }

  #setOdd(pods: readonly Pod[], isOdd: boolean): void {
    for (const pod of pods) {
      if (isOdd) this.#odd.add(pod);
      else this.#odd.delete(pod);
    }
  }

  #tell(): void {
    this.#endpoints = [...this.#present].map(({ endpoint }) => endpoint);
    for (const listener of [...this.#listeners]) listener({ kind: "endpoints", endpoints: this.#endpoints });
  }
}

function constantly(slowdown: number): ((ageMs: number) => number) | undefined {
  return slowdown === 1 ? undefined : () => slowdown;
}

/** Less and less slow, until it is warm. */
function warmingUp({ coldMs, coldSlowdown }: NonNullable<PodGroup["visits"]>): (ageMs: number) => number {
  return (ageMs) => 1 + (coldSlowdown - 1) * Math.max(0, 1 - ageMs / coldMs);
}
