import { seededRandom } from "@evenkeel/testing";
import { StatusCode } from "../src/errors.ts";
import type { Outcome } from "../src/outcome/outcome.ts";
import type { Picker } from "../src/picker/picker.ts";
import type { Policy } from "../src/policy/policy.ts";
import { candidates, type LoadedCandidate, pick, policyContext } from "./candidates.ts";

/** What became of an RPC: how long it took, in milliseconds, and whether it failed. `undefined`: it never ends. */
export type Service = (now: number, inFlight: number) => { readonly ms: number; readonly failed: boolean } | undefined;

export interface LoadSimulationOptions {
  readonly policy: Policy;
  /** What each pod does with an RPC; `inFlight` includes it. */
  readonly pods: readonly Service[];
  /** Their weights, if they differ. */
  readonly weights?: readonly number[];
  /** RPCs per second, at random times. */
  readonly rate: number;
  readonly seed?: number;
}

interface Attempt {
  readonly candidate: LoadedCandidate;
  readonly at: number;
  readonly outcome: Outcome;
}

/** RPCs on pods whose behaviour is given, in pretended time. */
export class LoadSimulation {
  readonly candidates: readonly [LoadedCandidate, ...LoadedCandidate[]];
  readonly #options: LoadSimulationOptions;
  readonly #random: () => number;
  readonly #context;
  readonly #running: Attempt[] = [];
  #now = 0;
  #next = 0;
  #picker: Picker<LoadedCandidate>;

  constructor(options: LoadSimulationOptions) {
    const { policy, pods, weights, seed = 1 } = options;
    this.#options = options;
    this.#random = seededRandom(seed);
    this.candidates = candidates(pods.length);
    this.#context = policyContext({
      clock: { now: () => this.#now, setTimeout: () => ({ cancel() {} }) },
      random: seededRandom(seed + 1),
      weightOf: (candidate) => weights?.[this.candidates.indexOf(candidate as LoadedCandidate)] ?? 1,
    });
    this.#picker = policy(undefined, this.candidates, this.#context);
  }

  get now(): number {
    return this.#now;
  }

  /** The set is now those with these indexes; the policy's picker is the one that follows. */
  change(indexes: readonly number[]): void {
    const [first, ...rest] = indexes.map((index) => this.candidates[index] as LoadedCandidate);
    if (first === undefined) throw new RangeError("a policy gets at least one candidate");
    this.#picker = this.#options.policy(this.#picker, [first, ...rest], this.#context);
  }

  /** Goes on for so long. Returns how many of the RPCs that began in it went to each pod. */
  run(seconds: number): number[] {
    const counts = this.candidates.map(() => 0);
    const end = this.#now + seconds * 1_000;
    for (;;) {
      const ending = this.#running.at(-1);
      if (ending !== undefined && ending.at <= Math.min(this.#next, end)) {
        this.#running.pop();
        this.#now = ending.at;
        ending.candidate.inFlight--;
        this.#picker.report?.(ending.candidate, ending.outcome);
        continue;
      }
      if (this.#next > end) break;
      this.#now = this.#next;
      this.#next += (-Math.log(1 - this.#random()) * 1_000) / this.#options.rate;
      const index = this.#start();
      counts[index] = (counts[index] as number) + 1;
    }
    this.#now = end;
    return counts;
  }

  #start(): number {
    const candidate = pick(this.#picker);
    const index = this.candidates.indexOf(candidate);
    candidate.inFlight++;
    const served = this.#options.pods[index]?.(this.#now, candidate.inFlight);
    if (served === undefined) return index;
    const { ms, failed } = served;
    const outcome: Outcome = {
      code: failed ? StatusCode.unavailable : StatusCode.ok,
      fate: "answered",
      firstByteMs: ms,
      durationMs: ms,
    };
    const attempt = { candidate, at: this.#now + ms, outcome };
    // sorted, the next last
    let place = this.#running.length;
    while (place > 0 && (this.#running[place - 1] as Attempt).at < attempt.at) place--;
    this.#running.splice(place, 0, attempt);
    return index;
  }
}

/** Takes between half and one and a half of `ms`; fails a share of RPCs, after `failMs`. */
export function service(ms: number, failures = 0, failMs = 1, seed = 7): Service {
  const random = seededRandom(seed);
  return () => {
    const failed = random() < failures;
    return { ms: failed ? failMs : ms * (0.5 + random()), failed };
  };
}
