import type { Candidate } from "../load/candidate.ts";

/**
 * Bounded loads (Mirrokni, Thorup and Zadimoghaddam, "Consistent Hashing with Bounded Loads", 2017; Envoy's
 * `hash_balance_factor`): one takes an RPC only while it has less in flight than its share of all of them, times a
 * factor, rounded up.
 *
 * What is in flight is remembered for each candidate, and looked up whenever an RPC is offered to it, sent to it or
 * reported by it; one more is looked up at each pick. So the sum costs nothing, and what others do on the same
 * connections is known after as many picks as there are candidates at the latest.
 */
export class BoundedLoad {
  readonly #factor: number;
  readonly #candidates: readonly Candidate[];
  readonly #indexes: ReadonlyMap<Candidate, number>;
  /** Of all weights. */
  readonly #shares: Float64Array;
  readonly #loads: Float64Array;
  #total = 0;
  #next = 0;

  /** `factor`: above 1. */
  constructor(candidates: readonly Candidate[], factor: number) {
    this.#factor = factor;
    this.#candidates = candidates;
    this.#indexes = new Map(candidates.map((candidate, index) => [candidate, index]));
    const weight = candidates.reduce((sum, { endpoint }) => sum + endpoint.weight, 0);
    this.#shares = Float64Array.from(candidates, ({ endpoint }) => endpoint.weight / weight);
    this.#loads = new Float64Array(candidates.length);
    for (let index = 0; index < candidates.length; index++) this.#look(index);
  }

  /** Whether it may take another RPC: one of them always may. */
  admits(index: number): boolean {
    const load = this.#look(index);
    return load < Math.ceil(this.#factor * (this.#total + 1) * (this.#shares[index] as number));
  }

  picked(index: number): void {
    this.#look(index);
    // its stream is opened after this
    this.#loads[index] = (this.#loads[index] as number) + 1;
    this.#total++;
    this.#next = this.#next + 1 >= this.#candidates.length ? 0 : this.#next + 1;
    if (this.#next !== index) this.#look(this.#next);
  }

  ended(candidate: Candidate): void {
    const index = this.#indexes.get(candidate);
    if (index !== undefined) this.#look(index);
  }

  #look(index: number): number {
    const { inFlight } = this.#candidates[index] as Candidate;
    this.#total += inFlight - (this.#loads[index] as number);
    this.#loads[index] = inFlight;
    return inFlight;
  }
}
