import type { PolicyContext } from "../policy/policy.ts";
import type { Candidate } from "./candidate.ts";

export interface RampOptions {
  /** Until the weight is whole, in milliseconds. At 0 nothing is ramped. */
  readonly windowMs: number;
  /** 1 grows evenly; the larger, the more at first; below 1, the more at the end. Above 0. */
  readonly aggression: number;
  /** Of the whole weight, at least. Above 0. */
  readonly minWeightPercent: number;
}

/** The share of its weight that an endpoint has at an age: `max(minWeight, (age / window)^(1 / aggression))` (Envoy). */
export function ramp({ windowMs, aggression, minWeightPercent }: RampOptions, ageMs: number): number {
  if (ageMs >= windowMs) return 1;
  // a clock that goes backwards makes ages below 0, which have no root
  return Math.max(minWeightPercent / 100, (Math.max(0, ageMs) / windowMs) ** (1 / aggression));
}

/** A step is a twentieth of the window, but in these bounds (milliseconds): each costs a picker. */
const leastStepMs = 100;
const longestStepMs = 1_000;

/** The endpoints whose weight grows. Has no timer: it moves on when `step` is called. */
export class Ramps {
  readonly #options: RampOptions;
  readonly #stepMs: number;
  readonly #ramped = new Map<string, { readonly since: number; factor: number }>();
  #nextStepAt = Number.POSITIVE_INFINITY;

  constructor(options: RampOptions) {
    this.#options = options;
    this.#stepMs = Math.min(Math.max(options.windowMs / 20, leastStepMs), longestStepMs);
  }

  /** When to call `step`; `Infinity` while none is ramped. */
  get nextStepAt(): number {
    return this.#nextStepAt;
  }

  /** The weight of the endpoint with this key grows from `since` on. */
  start(key: string, since: number, now: number): void {
    const factor = ramp(this.#options, now - since);
    if (factor === 1) return;
    this.#ramped.set(key, { since, factor });
    this.#nextStepAt = Math.min(this.#nextStepAt, now + this.#stepMs);
  }

  /** Lets the weights grow, if it is time. Returns whether any did. */
  step(now: number): boolean {
    if (now < this.#nextStepAt) return false;
    let isChanged = false;
    for (const [key, each] of this.#ramped) {
      const factor = ramp(this.#options, now - each.since);
      if (factor !== each.factor) isChanged = true;
      each.factor = factor;
      if (factor === 1) this.#ramped.delete(key);
    }
    this.#nextStepAt = this.#ramped.size === 0 ? Number.POSITIVE_INFINITY : now + this.#stepMs;
    return isChanged;
  }

  /** A context with the weights as they are at the moment of asking. */
  weighted<T extends PolicyContext>(context: T): T {
    if (this.#ramped.size === 0) return context;
    const factorOf = ({ endpoint }: Candidate): number => this.#ramped.get(endpoint.key)?.factor ?? 1;
    return { ...context, weightOf: (candidate) => context.weightOf(candidate) * factorOf(candidate) };
  }
}
