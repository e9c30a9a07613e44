import type { Endpoint } from "../endpoint/endpoint.ts";
import type { Candidate } from "../load/candidate.ts";

import { typeOption } from "../options.ts";
import type { Outcome } from "../outcome/outcome.ts";
import type { Picker, PickInfo, PickResult } from "../picker/picker.ts";
import type { Policy, PolicyContext } from "../policy/policy.ts";
import { OutlierDetector } from "./detector.ts";
import { type OutlierDetectionOptions, outlierSettings } from "./options.ts";

/** A pick looks at the clock where it is one of so many: a power of 2. */
const picksPerLook = 16;
/** Pickers of more candidates than this are made at most every hundredth of a millisecond a candidate. */
const manyCandidates = 256;

/**
 * Keeps RPCs for a while from endpoints that fail more than others (gRFC A50, and Envoy's consecutive failures). What
 * speaks against an endpoint is `isFailure`.
 *
 * Without an algorithm in `options`, `failurePercentageEjection` and `consecutiveFailures` are on; with one or more,
 * only these are. `successRateEjection` is never on by itself: among endpoints that all but never fail it ejects the one
 * that fails once in a thousand times. Throws a `TypeError` or `RangeError`.
 */
export function outlierDetection(options: OutlierDetectionOptions, child: Policy): Policy {
  const settings = outlierSettings(options);
  typeOption("outlierDetection.child", child, "function");
  return (previous, candidates, context) => {
    const before = previous instanceof OutlierPicker && previous.detector.settings === settings ? previous : undefined;
    const { clock, random, endpoints } = context;
    const now = clock.now();
    const detector = before?.detector ?? new OutlierDetector(settings, random, now);
    detector.update(both(endpoints, candidates), now);
    return new OutlierPicker(detector, child, candidates, context, before?.child);
  };
}

type Some<C> = readonly [C, ...C[]];

class OutlierPicker<C extends Candidate> implements Picker<C> {
  readonly detector: OutlierDetector;
  readonly #policy: Policy;
  readonly #all: Some<C>;
  readonly #context: PolicyContext;
  #candidates: Some<C>;
  #child: Picker<C>;
  #picks = 0;
  #notBefore = 0;

  constructor(
    detector: OutlierDetector,
    policy: Policy,
    all: Some<C>,
    context: PolicyContext,
    previous: Picker<C> | undefined,
  ) {
    this.detector = detector;
    this.#policy = policy;
    this.#all = all;
    this.#context = context;
    this.#candidates = this.#trusted();
    this.#child = this.#remake(previous);
    this.#tell();
  }

  get child(): Picker<C> {
    return this.#child;
  }

  /** Those that are not ejected, or all in a panic, in their order; of these what its child chooses from. */
  get candidates(): readonly C[] {
    return this.#child.candidates ?? this.#candidates;
  }

  pick(info: PickInfo): PickResult<C> {
    // outcomes look at the clock; picks now and then, for as long as none comes
    if (this.detector.isActive && (++this.#picks & (picksPerLook - 1)) === 0) {
      const now = this.#context.clock.now();
      this.detector.look(now);
      this.#refresh(now);
    }
    return this.#child.pick(info);
  }

  report(candidate: C, outcome: Outcome): void {
    const now = this.#context.clock.now();
    this.detector.report(candidate, outcome, now);
    if (this.detector.isChanged) this.#refresh(now);
    this.#child.report?.(candidate, outcome);
  }

  #refresh(now: number): void {
    if (!this.detector.isChanged || now < this.#notBefore) return;
    const count = this.#all.length;
    this.#notBefore = count > manyCandidates ? now + count / 100 : now;
    this.#candidates = this.#trusted();
    this.#child = this.#remake(this.#child);
    this.#tell();
  }

  #remake(previous: Picker<C> | undefined): Picker<C> {
    const isWhole = this.#candidates === this.#all;
    const context = isWhole ? this.#context : { ...this.#context, ready: this.#context.ready ?? this.#all };
    return this.#policy(previous, this.#candidates, this.detector.ramps.weighted(context));
  }

  #tell(): void {
    const { onEjection } = this.detector.settings;
    for (const change of this.detector.takeChanges()) onEjection?.(change);
  }

  /** Those that are not ejected; all where they are too few. */
  #trusted(): Some<C> {
    const { size, settings } = this.detector;
    const trusted = this.#all.filter((candidate) => !this.detector.isEjected(candidate));
    const [first, ...rest] = trusted;
    if (first === undefined || trusted.length === this.#all.length) return this.#all;
    return 100 * trusted.length < settings.panicThreshold * size ? this.#all : [first, ...rest];
  }
}

/** The set; candidates are normally of it. */
function* both(endpoints: readonly Endpoint[], candidates: readonly Candidate[]): Generator<Endpoint> {
  yield* endpoints;
  for (const { endpoint } of candidates) yield endpoint;
}
