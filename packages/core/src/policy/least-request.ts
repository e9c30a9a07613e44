import type { Candidate } from "../load/candidate.ts";
import type { Picker, PickResult } from "../picker/picker.ts";
import { type Random, randomInt } from "../random.ts";
import type { Policy } from "./policy.ts";

/** Up to this many candidates all are compared: cheaper than two random draws are wrong. */
const exactLimit = 32;

/**
 * The candidate with the fewest RPCs in flight: the least of all up to 32 candidates, ties in turn; above that the
 * lesser of two drawn at random (Mitzenmacher, "The Power of Two Choices", 2001; gRFC A48).
 */
export function leastRequest(): Policy {
  return (previous, candidates, { random }) =>
    candidates.length > exactLimit
      ? new TwoChoicesPicker(candidates, random)
      : new LeastPicker(
          candidates,
          previous instanceof LeastPicker ? previous.position : randomInt(random, candidates.length),
        );
}

class LeastPicker<C extends Candidate> implements Picker<C> {
  readonly #candidates: readonly C[];
  #position: number;

  constructor(candidates: readonly C[], position: number) {
    this.#candidates = candidates;
    this.#position = position % candidates.length;
  }

  get position(): number {
    return this.#position;
  }

  pick(): PickResult<C> {
    const candidates = this.#candidates;
    const count = candidates.length;
    let best = this.#position;
    let least = Number.POSITIVE_INFINITY;
    for (let step = 0; step < count; step++) {
      const index = (this.#position + step) % count;
      const { inFlight } = candidates[index] as C;
      if (inFlight >= least) continue;
      best = index;
      least = inFlight;
    }
    // the next search starts behind the one found, so that ties are served in turn
    this.#position = (best + 1) % count;
    return { kind: "complete", candidate: candidates[best] as C };
  }
}

class TwoChoicesPicker<C extends Candidate> implements Picker<C> {
  readonly #candidates: readonly C[];
  readonly #random: Random;

  constructor(candidates: readonly C[], random: Random) {
    this.#candidates = candidates;
    this.#random = random;
  }

  pick(): PickResult<C> {
    const count = this.#candidates.length;
    const first = randomInt(this.#random, count);
    // drawn from the others, so that the two are distinct
    const second = (first + 1 + randomInt(this.#random, count - 1)) % count;
    const a = this.#candidates[first] as C;
    const b = this.#candidates[second] as C;
    return { kind: "complete", candidate: b.inFlight < a.inFlight ? b : a };
  }
}
