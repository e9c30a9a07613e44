import type { Clock } from "../clock.ts";
import { messageOf, StatusCode, StatusError } from "../errors.ts";
import { Penalties } from "../load/penalties.ts";
import { isFailure } from "../outcome/failure.ts";
import type { Outcome } from "../outcome/outcome.ts";
import type { Policy, PolicyContext } from "../policy/policy.ts";
import { Subchannel } from "../pool/subchannel.ts";
import { Avoiding } from "./avoiding.ts";
import type { Picker, PickInfo, PickResult } from "./picker.ts";

type Ready = readonly [Subchannel, ...Subchannel[]];

/** How often the policy is asked for an RPC; its next choice may be another one. */
const maxTries = 3;

const queue = { kind: "queue" } as const;

/**
 * Keeps the picker of a policy, and finds another subchannel where its choice is full or to be avoided. What a policy
 * throws fails RPCs and nothing else.
 */
export class Balancer {
  readonly #policy: Policy;
  /** Whether endpoints may have several connections. */
  readonly #mayGrow: boolean;
  /** Told once of a policy that throws where no RPC can be failed. */
  readonly #warn: (message: string) => void;
  /** For RPCs that the policy's choice has no room for: an endpoint that fails is idle, and not to get these. */
  readonly #penalties: Penalties;
  #ready: readonly Subchannel[] = [];
  #context: PolicyContext | undefined;
  /** The last one that the policy made: what it counted carries over. */
  #picker: Picker<Subchannel> | undefined;
  /** What the policy threw instead of making one. */
  #refusal: StatusError | undefined;
  #emptySince: number | undefined;
  /** Where the search for room begins. */
  #position = 0;
  /** Whether none had room when it was last looked for. */
  #isFull = false;

  constructor(policy: Policy, clock: Clock, mayGrow: boolean, warn: (message: string) => void) {
    this.#policy = policy;
    this.#penalties = new Penalties(clock);
    this.#mayGrow = mayGrow;
    this.#warn = warn;
  }

  /** What it picks from. */
  get ready(): readonly Subchannel[] {
    return this.#ready;
  }

  /** Makes a picker for these, unless they and the context are what they were. */
  update(ready: Ready, context: PolicyContext): void {
    this.#isFull = false;
    const before = this.#ready;
    const isSame = ready.length === before.length && ready.every((each, index) => each === before[index]);
    if (isSame && context === this.#context) return;
    this.#ready = ready;
    this.#context = context;
    const emptySince = this.#emptySince;
    this.#emptySince = undefined;
    try {
      const picker = this.#policy(this.#picker, ready, emptySince === undefined ? context : { ...context, emptySince });
      if (typeof picker?.pick !== "function") {
        throw new TypeError("it made no picker (a policy is what a call such as roundRobin() returns)");
      }
      this.#picker = picker;
      this.#refusal = undefined;
    } catch (error) {
      this.#refusal = failureOf(error);
    }
  }

  /** Nothing is ready; `now` by the clock. */
  clear(now: number): void {
    if (this.#ready.length > 0) this.#emptySince = now;
    this.#ready = [];
  }

  /** A subchannel that was full may have room. */
  roomMade(): void {
    this.#isFull = false;
  }

  /** The policy's choice; where that is full, or is to be avoided, the least busy of the others. At least one is ready. */
  pick(info: PickInfo): PickResult<Subchannel> {
    if (this.#isFull) {
      this.#grow();
      return queue;
    }
    if (this.#refusal !== undefined) return { kind: "drop", error: this.#refusal };
    try {
      return this.#pick(this.#picker as Picker<Subchannel>, info);
    } catch (error) {
      return { kind: "drop", error: failureOf(error) };
    }
  }

  /** Takes what became of an attempt. */
  report(subchannel: Subchannel, outcome: Outcome): void {
    // nothing is known of any endpoint before the first failure
    if (this.#penalties.isUsed || isFailure(outcome)) {
      this.#penalties.of(subchannel, 1);
      this.#penalties.report(subchannel, outcome, this.#ready);
    }
    try {
      this.#picker?.report?.(subchannel, outcome);
    } catch (error) {
      this.#warn(failureOf(error).message);
    }
  }

  /** Whether any is ready and has room; where all are full, one of them gets a further connection if it may. */
  makeRoom(): boolean {
    this.#isFull ||= this.#ready.every(({ roomy }) => roomy === undefined);
    if (this.#isFull) this.#grow();
    return !this.#isFull;
  }

  /** Dials a further connection to one of them, unless one is being dialled. */
  #grow(): void {
    if (!this.#mayGrow || this.#ready.some(({ isDialling }) => isDialling)) return;
    this.#ready.find((subchannel) => subchannel.grow());
  }

  #pick(picker: Picker<Subchannel>, info: PickInfo): PickResult<Subchannel> {
    let asked = info;
    for (let tries = 0; tries < maxTries; tries++) {
      const result = picker.pick(asked);
      if (result.kind !== "complete") return result;
      const { candidate } = result;
      const isFull = candidate.roomy === undefined;
      if (!isFull && !isAvoided(candidate, info)) return result;
      if (!(candidate instanceof Subchannel)) throw new TypeError("it chose what is no candidate");
      if (isFull) candidate.grow();
      asked = new Avoiding(asked, candidate.endpoint.key);
    }
    return this.#pickOther(picker, info);
  }

  #pickOther(picker: Picker<Subchannel>, info: PickInfo): PickResult<Subchannel> {
    const chosen = picker.candidates === undefined ? undefined : new Set(picker.candidates);
    const isChosen = (subchannel: Subchannel): boolean => chosen === undefined || chosen.has(subchannel);
    // those that were tried, and then those that the policy leaves out, only where there are no others
    const candidate = this.#leastBusy((each) => (isAvoided(each, info) ? 2 : 0) + (isChosen(each) ? 0 : 1));
    if (candidate !== undefined) return { kind: "complete", candidate };
    this.#isFull = true;
    return queue;
  }

  /** Of those with room the ones of the lowest rank, of these the one with the least load; ties in turn. */
  #leastBusy(rankOf: (subchannel: Subchannel) => number): Subchannel | undefined {
    this.#penalties.update();
    const { isAny } = this.#penalties;
    const count = this.#ready.length;
    let best: Subchannel | undefined;
    let bestRank = 0;
    let least = 0;
    this.#position = (this.#position + 1) % count;
    for (let step = 0; step < count; step++) {
      const each = this.#ready[(this.#position + step) % count] as Subchannel;
      if (each.roomy === undefined) continue;
      const rank = rankOf(each);
      if (best !== undefined && rank > bestRank) continue;
      const load = each.inFlight + (isAny ? this.#penalties.of(each, 1).value : 0);
      if (best !== undefined && rank === bestRank && load >= least) continue;
      best = each;
      bestRank = rank;
      least = load;
    }
    return best;
  }
}

function isAvoided({ endpoint }: Subchannel, { avoid }: PickInfo): boolean {
  return avoid?.has(endpoint.key) === true;
}

function failureOf(error: unknown): StatusError {
  return new StatusError(StatusCode.internal, `the policy failed: ${messageOf(error)}`, { cause: error });
}
