import { isFailure } from "../outcome/failure.ts";
import type { Outcome } from "../outcome/outcome.ts";
import type { Candidate } from "./candidate.ts";
import type { Penalties, Penalty } from "./penalties.ts";

/**
 * From this many candidates on their RPCs are counted here, in one piece of memory: those of a candidate are some objects
 * away from it, and to fetch them from all over the memory takes longer than all the rest of a pick.
 */
const countedFrom = 1_000;

/** In so many picks one candidate is counted anew, each in its turn. */
const recountEvery = 8;

/** The loads of a set of candidates: RPCs in flight, and what failures add. */
export class Loads {
  readonly penalties: Penalties;
  readonly #candidates: readonly Candidate[];
  readonly #weights: readonly number[];
  /** RPCs in flight, where they are counted: one more with each pick, and what is true whenever an attempt ends. */
  readonly #counts: Int32Array | undefined;
  #picks = 0;
  #recounted = -1;
  #indexes: ReadonlyMap<Candidate, number> | undefined;
  /** Of each candidate; none before the first failure, so that a set that is well costs nothing. */
  #added: readonly Penalty[] | undefined;
  #isPlain = false;

  /** `penalties` are those of the policy; `weights` are 1 on average. */
  constructor(penalties: Penalties, candidates: readonly Candidate[], weights: readonly number[]) {
    this.penalties = penalties;
    this.#candidates = candidates;
    this.#weights = weights;
    if (candidates.length >= countedFrom) this.#counts = Int32Array.from(candidates, ({ inFlight }) => inFlight);
    if (penalties.isUsed) this.#attach();
  }

  get count(): number {
    return this.#candidates.length;
  }

  /** Of the candidate with this index; 0: it is idle, and well. */
  of(index: number): number {
    if (this.#isPlain) return (this.#candidates[index] as Candidate).inFlight;
    const inFlight = this.#counts === undefined ? this.#inFlight(index) : (this.#counts[index] as number);
    return inFlight + this.penaltyOf(index);
  }

  /** The one whose turn it was last to be counted anew, -1: none. */
  get recounted(): number {
    return this.#recounted;
  }

  penaltyOf(index: number): number {
    return this.#added?.[index]?.value ?? 0;
  }

  /** `undefined` for one that is not in the set. */
  indexOf(candidate: Candidate): number | undefined {
    this.#indexes ??= new Map(this.#candidates.map((each, index) => [each, index]));
    return this.#indexes.get(candidate);
  }

  /** To be called before loads are read. */
  update(): void {
    this.penalties.update();
    this.#isPlain = this.#counts === undefined && !this.penalties.isAny;
  }

  /** To be called with each that is picked. */
  picked(index: number): void {
    if (this.#counts === undefined) return;
    this.#counts[index] = (this.#counts[index] as number) + 1;
    // a pick of which no RPC came would count until one ends there, and might keep all from going there
    if (++this.#picks % recountEvery > 0) return;
    this.#recounted = (this.#recounted + 1) % this.count;
    this.recount(this.#recounted);
  }

  /** Counts the RPCs in flight of a candidate anew, in case not all that were picked began, or an end was reported early. */
  recount(index: number): void {
    if (this.#counts !== undefined) this.#counts[index] = this.#inFlight(index);
  }

  report(candidate: Candidate, outcome: Outcome): void {
    if (this.#counts !== undefined) {
      const index = this.indexOf(candidate);
      if (index !== undefined) this.recount(index);
    }
    const isBad = isFailure(outcome);
    if (isBad && this.#added === undefined) this.#attach();
    if (this.#added !== undefined) this.penalties.report(candidate, outcome, this.#candidates);
  }

  #inFlight(index: number): number {
    return (this.#candidates[index] as Candidate).inFlight;
  }

  /** O(n). */
  #attach(): void {
    this.#added = this.#candidates.map((each, index) => this.penalties.of(each, this.#weights[index] as number));
  }
}
