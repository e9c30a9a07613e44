import {
  type Candidate,
  checkKeys,
  type Endpoint,
  leastRequest,
  numberOption,
  type Picker,
  type PickInfo,
  type PickResult,
  type Policy,
  type PolicyContext,
  type Random,
  typeOption,
} from "@evenkeel/core";

export interface CanaryOptions {
  /** Which endpoints run the new version. */
  readonly isCanary: (endpoint: Endpoint) => boolean;
  /** Percentage of RPCs that they get, however many they are. 0 to 100, default 5. */
  readonly percent?: number;
}

/**
 * Sends a fixed share of RPCs to the endpoints that run a new version, and balances within each of the two groups by
 * `policy`, default `leastRequest()`. While one group has no ready endpoint, the other gets everything.
 */
export function canary(options: CanaryOptions, policy: Policy = leastRequest()): Policy {
  checkKeys("canary", options, ["isCanary", "percent"]);
  const isCanary = typeOption("isCanary", options.isCanary, "function");
  const share = numberOption("percent", options.percent ?? 5, { min: 0, max: 100 }) / 100;
  return <C extends Candidate>(
    previous: Picker<C> | undefined,
    candidates: readonly [C, ...C[]],
    context: PolicyContext,
  ): Picker<C> => {
    const before = previous instanceof CanaryPicker ? previous : undefined;
    const make = (group: C[], last: Picker<C> | undefined): Picker<C> | undefined => {
      const [first, ...rest] = group;
      return first === undefined ? undefined : policy(last, [first, ...rest], context);
    };
    const isNew = ({ endpoint }: C): boolean => isCanary(endpoint);
    const canaries = make(candidates.filter(isNew), before?.canaries);
    const others = make(
      candidates.filter((candidate) => !isNew(candidate)),
      before?.others,
    );
    return new CanaryPicker(canaries, others, share, context.random, isNew);
  };
}

class CanaryPicker<C extends Candidate> implements Picker<C> {
  readonly canaries: Picker<C> | undefined;
  readonly others: Picker<C> | undefined;
  readonly #share: number;
  readonly #random: Random;
  readonly #isNew: (candidate: C) => boolean;

  constructor(
    canaries: Picker<C> | undefined,
    others: Picker<C> | undefined,
    share: number,
    random: Random,
    isNew: (candidate: C) => boolean,
  ) {
    this.canaries = canaries;
    this.others = others;
    this.#share = share;
    this.#random = random;
    this.#isNew = isNew;
  }

  pick(info: PickInfo): PickResult<C> {
    const group = this.#random() < this.#share ? (this.canaries ?? this.others) : (this.others ?? this.canaries);
    return group?.pick(info) ?? { kind: "queue" };
  }

  report(...[candidate, outcome]: Parameters<NonNullable<Picker<C>["report"]>>): void {
    const group = this.#isNew(candidate) ? this.canaries : this.others;
    group?.report?.(candidate, outcome);
  }
}
