import type { Candidate } from "../load/candidate.ts";
import { Loads } from "../load/loads.ts";
import { Penalties } from "../load/penalties.ts";
import type { Outcome } from "../outcome/outcome.ts";
import type { Picker, PickResult } from "../picker/picker.ts";
import type { PolicyContext } from "./policy.ts";
import type { Weights } from "./weights.ts";

/** Finds the index of the candidate that an RPC goes to, from loads that are up to date. */
export interface Chooser {
  choose(): number;
  /** An attempt on the candidate ended. */
  ended?(candidate: Candidate, outcome: Outcome): void;
}

/** What a policy that heeds loads chooses from. */
export interface Contest {
  readonly candidates: readonly Candidate[];
  readonly weights: Weights;
  readonly loads: Loads;
  readonly context: PolicyContext;
  /** Of the policy's picker before this one. */
  readonly previous: Chooser | undefined;
}

/** The picker of every policy that heeds loads. What it knows of failures goes over to the next one. */
export class LoadPicker<C extends Candidate> implements Picker<C> {
  readonly #candidates: readonly C[];
  readonly #loads: Loads;
  readonly #chooser: Chooser;

  /** O(n). */
  constructor(
    previous: Picker<C> | undefined,
    candidates: readonly C[],
    weights: Weights,
    context: PolicyContext,
    chooserFor: (contest: Contest) => Chooser,
  ) {
    const before = previous instanceof LoadPicker ? previous : undefined;
    this.#candidates = candidates;
    const penalties = before?.penalties ?? new Penalties(context.clock);
    this.#loads = new Loads(penalties, candidates, weights.values);
    this.#chooser = chooserFor({ candidates, weights, loads: this.#loads, context, previous: before?.chooser });
  }

  get penalties(): Penalties {
    return this.#loads.penalties;
  }

  get chooser(): Chooser {
    return this.#chooser;
  }

  pick(): PickResult<C> {
    this.#loads.update();
    const index = this.#chooser.choose();
    this.#loads.picked(index);
    // made anew: with many candidates cheaper than to fetch one from memory
    return { kind: "complete", candidate: this.#candidates[index] as C };
  }

  report(candidate: C, outcome: Outcome): void {
    this.#loads.report(candidate, outcome);
    this.#chooser.ended?.(candidate, outcome);
  }
}
