import type { Candidate } from "../load/candidate.ts";
import { typeOption } from "../options.ts";
import type { Outcome } from "../outcome/outcome.ts";
import type { Picker, PickInfo, PickResult } from "../picker/picker.ts";
import { LocalityLoad } from "./locality-load.ts";
import { type CheckedLocalityOptions, checkLocalityOptions, type LocalityOptions } from "./locality-options.ts";
import { splitByLocality } from "./locality-split.ts";
import type { Policy, PolicyContext } from "./policy.ts";

/**
 * Prefers the endpoints of the client's own zone, and sends to others what those cannot bear: by health, in proportion, as
 * Envoy's priority levels; by number, as Envoy's zone aware routing where as many clients are in each zone; and by the
 * time that they take compared to others. With no zone, or no endpoint in it, `child` chooses among all.
 *
 * `child` chooses on either side, with a picker for each. Throws a `TypeError` or `RangeError`.
 */
export function locality(options: LocalityOptions, child: Policy): Policy {
  const checked = checkLocalityOptions(options);
  typeOption("locality.child", child, "function");
  return (previous, candidates, context) =>
    new LocalityPicker(
      checked,
      child,
      previous instanceof LocalityPicker && previous.options === checked ? previous : undefined,
      candidates,
      context,
    );
}

class LocalityPicker<C extends Candidate> implements Picker<C> {
  readonly options: CheckedLocalityOptions;
  readonly load: LocalityLoad;
  readonly local: Part<C>;
  readonly others: Part<C>;
  readonly #context: PolicyContext;
  readonly #localSet: ReadonlySet<C>;
  /** What local endpoints get by their health and number. */
  readonly #bearable: number;
  /** What they get. */
  #share: number;

  constructor(
    options: CheckedLocalityOptions,
    child: Policy,
    previous: LocalityPicker<C> | undefined,
    candidates: readonly C[],
    context: PolicyContext,
  ) {
    const { local, others, share } = splitByLocality(candidates, context, options);
    this.options = options;
    this.load = previous?.load ?? new LocalityLoad(options.maxLoadRatio, context.clock.now());
    this.local = new Part(child, previous?.local.picker, local, context);
    this.others = new Part(child, previous?.others.picker, others, context);
    this.#context = context;
    this.#localSet = new Set(local);
    this.#bearable = share;
    this.#share = this.#currentShare();
  }

  pick(info: PickInfo): PickResult<C> {
    const share = this.#share;
    // no random number where nothing is left to chance
    const isLocal = share === 1 || (share > 0 && this.#context.random() < share);
    return (isLocal ? this.local : this.others).pick(info);
  }

  report(candidate: C, outcome: Outcome): void {
    const isLocal = this.#localSet.has(candidate);
    (isLocal ? this.local : this.others).picker?.report?.(candidate, outcome);
    // without both there is nothing to compare
    if (this.#bearable === 0 || this.others.isEmpty) return;
    if (this.load.report(isLocal, outcome, this.#context.clock.now())) this.#share = this.#currentShare();
  }

  #currentShare(): number {
    if (this.others.isEmpty) return 1;
    return Math.min(this.#bearable * this.load.share, 1 - this.options.remoteProbeFraction);
  }
}

/** One side of the split; its picker is made when it is needed. */
class Part<C extends Candidate> {
  readonly #child: Policy;
  readonly #candidates: readonly C[];
  readonly #context: PolicyContext;
  #isMade = false;
  /** The latest, which may be of an earlier set. */
  #picker: Picker<C> | undefined;

  constructor(child: Policy, previous: Picker<C> | undefined, candidates: readonly C[], context: PolicyContext) {
    this.#child = child;
    this.#picker = previous;
    this.#candidates = candidates;
    this.#context = context;
  }

  get isEmpty(): boolean {
    return this.#candidates.length === 0;
  }

  get picker(): Picker<C> | undefined {
    return this.#picker;
  }

  pick(info: PickInfo): PickResult<C> {
    if (this.#isMade && this.#picker !== undefined) return this.#picker.pick(info);
    this.#isMade = true;
    this.#picker = this.#child(this.#picker, this.#candidates as readonly [C, ...C[]], this.#context);
    return this.#picker.pick(info);
  }
}
