import { type Clock, type Endpoint, type ServerLoad, StatusCode } from "@evenkeel/core";
import type { KeyCache } from "./key-cache.ts";

/** What a pod is asked to do. */
export interface Job {
  /** How long a worker of an ordinary pod takes for it. */
  readonly workMs: number;
  /** What it is about, where that matters. */
  readonly key?: string | undefined;
  /** Whether nobody waits for it any more: it is not begun. */
  readonly isCancelled: boolean;
  answered(code: StatusCode, load: ServerLoad): void;
}

export interface PodOptions {
  readonly clock: Clock;
  readonly endpoint: Endpoint;
  /** Jobs that it works on at a time; the others wait, first come first served. */
  readonly workers: number;
  /** How much longer than an ordinary pod it takes, at the age in milliseconds that it has. */
  readonly slowdown?: ((ageMs: number) => number) | undefined;
  /** Default none. */
  readonly cache?: KeyCache | undefined;
}

/** How long a pod counts before it tells a new load, in milliseconds: the default of the interceptor `loadReport`. */
const reportEveryMs = 1_000;

/** What a failure costs, in milliseconds of a worker's time: little, but a pod that runs tells of some load. */
const failureMs = 0.1;

/** A server with a queue: G/G/c. */
export class Pod {
  readonly endpoint: Endpoint;
  /** It fails every job after this time, in milliseconds, without a worker; `undefined`: it does not. */
  failsAfterMs: number | undefined;
  /** The most jobs that it had at a time. */
  mostJobs = 0;
  readonly #options: PodOptions;
  readonly #bornAt: number;
  readonly #queue: Job[] = [];
  /** Where the queue begins: `shift` is slow for long ones. */
  #head = 0;
  #busy = 0;
  #isFrozen = false;
  /** What is due at the thaw. */
  readonly #held: (() => void)[] = [];
  /** Told when it freezes or thaws. */
  readonly watchers = new Set<() => void>();
  #load: ServerLoad = loadOf(0, 0, 0);
  #since: { at: number; workedMs: number; answered: number; failed: number };

  constructor(options: PodOptions) {
    this.endpoint = options.endpoint;
    this.#options = options;
    this.#bornAt = options.clock.now();
    this.#since = { at: this.#bornAt, workedMs: 0, answered: 0, failed: 0 };
  }

  get jobs(): number {
    return this.#busy + this.#queue.length - this.#head;
  }

  get isFrozen(): boolean {
    return this.#isFrozen;
  }

  take(job: Job): void {
    if (this.failsAfterMs !== undefined) {
      const fail = (): void => {
        this.#since.workedMs += failureMs;
        this.#answer(job, StatusCode.unavailable);
      };
      this.#options.clock.setTimeout(() => this.#whenThawed(fail), this.failsAfterMs);
      return;
    }
    this.#queue.push(job);
    if (this.jobs > this.mostJobs) this.mostJobs = this.jobs;
    this.#work();
  }

  /** Nothing is begun and nothing is answered until the thaw. */
  freeze(): void {
    this.#isFrozen = true;
    for (const told of [...this.watchers]) told();
  }

  thaw(): void {
    this.#isFrozen = false;
    for (const due of this.#held.splice(0)) due();
    this.#work();
    for (const told of [...this.watchers]) told();
  }

  #work(): void {
    const { clock, workers, slowdown = () => 1, cache } = this.#options;
    while (this.#busy < workers && this.#head < this.#queue.length && !this.#isFrozen) {
      const job = this.#queue[this.#head++] as Job;
      if (this.#head === this.#queue.length) {
        this.#queue.length = 0;
        this.#head = 0;
      }
      if (job.isCancelled) continue;
      const cost = job.key === undefined ? 1 : (cache?.costOf(job.key) ?? 1);
      const workMs = job.workMs * cost * slowdown(clock.now() - this.#bornAt);
      this.#busy++;
      clock.setTimeout(() => {
        this.#whenThawed(() => {
          this.#busy--;
          this.#since.workedMs += workMs;
          this.#answer(job, StatusCode.ok);
          this.#work();
        });
      }, workMs);
    }
  }

  #whenThawed(then: () => void): void {
    if (this.#isFrozen) this.#held.push(then);
    else then();
  }

  #answer(job: Job, code: StatusCode): void {
    const since = this.#since;
    since.answered++;
    if (code !== StatusCode.ok) since.failed++;
    const now = this.#options.clock.now();
    const elapsedMs = now - since.at;
    if (elapsedMs >= reportEveryMs) {
      const perSecond = 1_000 / elapsedMs;
      const utilization = since.workedMs / (elapsedMs * this.#options.workers);
      this.#load = loadOf(utilization, since.answered * perSecond, since.failed * perSecond);
      this.#since = { at: now, workedMs: 0, answered: 0, failed: 0 };
    }
    job.answered(code, this.#load);
  }
}

function loadOf(cpuUtilization: number, rps: number, eps: number): ServerLoad {
  const none = {};
  return {
    ...{ cpuUtilization, rps, eps, memUtilization: 0, applicationUtilization: 0 },
    ...{ requestCost: none, utilization: none, namedMetrics: none },
  };
}
