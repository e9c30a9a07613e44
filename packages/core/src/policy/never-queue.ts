import type { Candidate } from "../load/candidate.ts";
import type { Loads } from "../load/loads.ts";
import { randomInt } from "../random.ts";
import { type Cost, DrawnChooser, exactLimit, TurnChooser } from "./choosers.ts";
import { type Chooser, type Contest, LoadPicker } from "./load-picker.ts";
import type { Policy } from "./policy.ts";
import { weightsOf } from "./weights.ts";

/** So many candidates with penalties are passed over in a pick, before the list is taken for exhausted. */
const mostPenalized = 4;

/**
 * An idle candidate while there is one, in turn and whatever its weight; else the shortest expected delay, as IPVS's
 * `nq`. For RPCs that take long and are few at a time on an endpoint, such as one for each of its cores.
 *
 * All of up to 12 candidates are compared; of more there is a list of idle ones (Lu et al., "Join-Idle-Queue", 2011),
 * and where that is empty, two are drawn at random by weight. Failures count as load (`Penalties`).
 */
export function neverQueue(): Policy {
  return (previous, candidates, context) =>
    new LoadPicker(previous, candidates, weightsOf(candidates, context), context, (contest) => {
      const { loads, weights } = contest;
      if (loads.count <= exactLimit) return new TurnChooser(contest, { ahead: 1, idleFirst: true });
      const cost: Cost = (index) => {
        const load = loads.of(index);
        return load === 0 ? 0 : (load + 1) / (weights.values[index] as number);
      };
      return new IdleChooser(contest, cost);
    });
}

/** Those that may be idle, the longest idle first. */
class IdleChooser implements Chooser {
  readonly #loads: Loads;
  readonly #otherwise: DrawnChooser;
  /** A ring, each candidate at most once. */
  readonly #idle: Int32Array;
  readonly #isListed: Uint8Array;
  #head = 0;
  #length = 0;
  /** The one that was chosen last, -1 at first. */
  #last = -1;

  constructor(contest: Contest, cost: Cost) {
    const { loads, context } = contest;
    this.#loads = loads;
    this.#otherwise = new DrawnChooser(contest, cost, 2);
    this.#idle = new Int32Array(loads.count);
    this.#isListed = new Uint8Array(loads.count);
    const start = randomInt(context.random, loads.count);
    for (let step = 0; step < loads.count; step++) this.#append((start + step) % loads.count);
  }

  choose(): number {
    // where no RPC came of a choice, as where there was no room, none ends that would have it listed again
    this.#relist(this.#last);
    this.#relist(this.#loads.recounted);
    this.#last = this.#find();
    return this.#last;
  }

  #find(): number {
    let penalized = 0;
    while (this.#length > 0 && penalized < mostPenalized) {
      const index = this.#take();
      if (this.#loads.of(index) > 0) this.#loads.recount(index);
      if (this.#loads.of(index) === 0) return index;
      if (this.#loads.penaltyOf(index) === 0) continue; // an RPC is under way: on its end it is listed again
      this.#append(index);
      penalized++;
    }
    return this.#otherwise.choose();
  }

  ended(candidate: Candidate): void {
    if (candidate.inFlight > 1) return; // the one that ends may be in the count still
    const index = this.#loads.indexOf(candidate);
    if (index !== undefined) this.#append(index);
  }

  #relist(index: number): void {
    if (index >= 0 && this.#loads.of(index) === this.#loads.penaltyOf(index)) this.#append(index);
  }

  #take(): number {
    const index = this.#idle[this.#head] as number;
    this.#head = this.#head + 1 === this.#idle.length ? 0 : this.#head + 1;
    this.#length--;
    this.#isListed[index] = 0;
    return index;
  }

  #append(index: number): void {
    if (this.#isListed[index] === 1) return;
    this.#isListed[index] = 1;
    this.#idle[(this.#head + this.#length) % this.#idle.length] = index;
    this.#length++;
  }
}
