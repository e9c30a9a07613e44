import type { Random } from "@evenkeel/core";
import { FakeClock, seededRandom } from "@evenkeel/testing";
import { AdaptiveLimit, type AdaptiveLimitSettings } from "../src/concurrency-limit/adaptive-limit.ts";
import { Limiter, type Place } from "../src/concurrency-limit/limiter.ts";

/** What the server is like, which may change while it runs. */
export interface Load {
  /** RPCs that are worked on at a time; the others wait in a queue. */
  workers: number;
  /** What the work of an RPC takes, in milliseconds. */
  workMs: (random: Random) => number;
  /** RPCs that arrive, a second. */
  arrivals: number;
  /** RPCs are too late after so many milliseconds. */
  deadlineMs: number;
}

/** What happened since the last look. */
export interface Period {
  readonly answered: number;
  readonly rejected: number;
  readonly dropped: number;
  readonly meanMs: number;
}

export const exponential =
  (meanMs: number) =>
  (random: Random): number =>
    -Math.log(1 - random()) * meanMs;

/** Log-normal, its standard deviation three times its mean: most are short, a few are very long. */
export const heavyTailed = (meanMs: number): ((random: Random) => number) => {
  const variance = Math.log(10);
  return (random) => {
    const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    return Math.exp(Math.log(meanMs) - variance / 2 + Math.sqrt(variance) * normal);
  };
};

/** A server behind a limit, on a clock of its own: RPCs arrive at random, and leave when they are rejected. */
export class Simulation {
  readonly load: Load;
  readonly limiter: Limiter;
  readonly clock: FakeClock = new FakeClock();
  readonly #random: Random;
  readonly #queue: (() => void)[] = [];
  #working = 0;
  #answered = 0;
  #sumMs = 0;
  #rejectedBefore = 0;
  #droppedBefore = 0;

  constructor(load: Load, seed: number, settings: Partial<AdaptiveLimitSettings> = {}) {
    this.load = load;
    this.#random = seededRandom(seed);
    this.limiter = new Limiter(
      new AdaptiveLimit({
        initialLimit: 20,
        minLimit: 5,
        maxLimit: 1_000,
        tolerance: 1.5,
        smoothing: 0.2,
        probeIntervalMs: 30_000,
        clock: this.clock,
        random: seededRandom(seed + 1),
        ...settings,
      }),
    );
    this.#nextArrival();
  }

  get limit(): number {
    return this.limiter.limit.limit;
  }

  run(seconds: number): Period {
    this.clock.tick(seconds * 1_000);
    const period = {
      answered: this.#answered,
      rejected: this.limiter.rejected - this.#rejectedBefore,
      dropped: this.limiter.dropped - this.#droppedBefore,
      meanMs: this.#sumMs / this.#answered,
    };
    this.#answered = 0;
    this.#sumMs = 0;
    this.#rejectedBefore = this.limiter.rejected;
    this.#droppedBefore = this.limiter.dropped;
    return period;
  }

  #nextArrival(): void {
    this.clock.setTimeout(
      () => {
        this.#arrive();
        this.#nextArrival();
      },
      exponential(1_000 / this.load.arrivals)(this.#random),
    );
  }

  #arrive(): void {
    const place = this.limiter.tryBegin(true);
    if (place === undefined) return;
    const startedMs = this.clock.now();
    const deadline = this.clock.setTimeout(() => place.release("dropped"), this.load.deadlineMs);
    this.#queue.push(() => this.#work(place, startedMs, deadline));
    this.#fill();
  }

  #fill(): void {
    while (this.#working < this.load.workers) {
      const work = this.#queue.shift();
      if (work === undefined) return;
      this.#working++;
      work();
    }
  }

  /** Work goes on when nobody waits for it any more, as that of most handlers does. */
  #work(place: Place, startedMs: number, deadline: { cancel(): void }): void {
    this.clock.setTimeout(() => {
      const tookMs = this.clock.now() - startedMs;
      deadline.cancel();
      if (tookMs < this.load.deadlineMs) {
        this.#answered++;
        this.#sumMs += tookMs;
      }
      place.release("succeeded");
      this.#working--;
      this.#fill();
    }, this.load.workMs(this.#random));
  }
}
