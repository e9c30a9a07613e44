import type { Endpoint } from "../endpoint/endpoint.ts";
import type { Candidate } from "../load/candidate.ts";
import { typeOption } from "../options.ts";
import type { Outcome } from "../outcome/outcome.ts";
import type { Picker, PickInfo, PickResult } from "../picker/picker.ts";
import { LocalityLoad } from "./locality-load.ts";
import { type CheckedLocalityOptions, checkLocalityOptions, type LocalityOptions } from "./locality-options.ts";
import { type Side, splitByLocality } from "./locality-split.ts";
import type { Policy, PolicyContext } from "./policy.ts";

/**
 * Prefers the endpoints of the client's own zone, and sends to others what those cannot bear: by health, in proportion, as
 * Envoy's priority levels; by number, as Envoy's zone aware routing where as many clients are in each zone; and by the
 * time that they take compared to others. With no zone, or no endpoint in it, `child` chooses among all.
 *
 * `child` chooses on either side, with a picker for each that is told the endpoints of its side, and all that are ready.
 * Throws a `TypeError` or `RangeError`.
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
    const told = { ...context, ready: context.ready ?? candidates };
    this.options = options;
    this.load = previous?.load ?? new LocalityLoad(options.maxLoadRatio, context.clock.now());
    this.local = new Part(child, previous?.local, local, told);
    this.others = new Part(child, previous?.others, others, told);
    this.#context = context;
    this.#localSet = new Set(local.candidates);
    this.#bearable = share;
    this.#share = this.#currentShare();
  }

  /** What either side chooses from. */
  get candidates(): readonly C[] {
    return [...this.local.candidates, ...this.others.candidates];
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

/** One side of the split. Its picker is made also where none is sent there: what it knows of endpoints stays true. */
class Part<C extends Candidate> {
  readonly endpoints: readonly Endpoint[];
  /** That of an earlier set while there are no candidates, so that what it learnt is not lost. */
  readonly picker: Picker<C> | undefined;
  readonly #candidates: readonly C[];

  constructor(child: Policy, previous: Part<C> | undefined, side: Side<C>, context: PolicyContext) {
    // the same object where they are the same: children need not look at them again
    this.endpoints = areSame(previous?.endpoints, side.endpoints) ? previous.endpoints : side.endpoints;
    this.#candidates = side.candidates;
    const [first, ...rest] = side.candidates;
    this.picker =
      first === undefined
        ? previous?.picker
        : child(previous?.picker, [first, ...rest], { ...context, endpoints: this.endpoints });
  }

  get isEmpty(): boolean {
    return this.#candidates.length === 0;
  }

  get candidates(): readonly C[] {
    return this.isEmpty ? [] : (this.picker?.candidates ?? this.#candidates);
  }

  /** It has candidates. */
  pick(info: PickInfo): PickResult<C> {
    return (this.picker as Picker<C>).pick(info);
  }
}

function areSame(some: readonly Endpoint[] | undefined, others: readonly Endpoint[]): some is readonly Endpoint[] {
  return some?.length === others.length && some.every((endpoint, index) => endpoint === others[index]);
}
