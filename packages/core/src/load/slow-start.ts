import type { Clock } from "../clock.ts";
import { checkKeys, maxTimerMs, numberOption, typeOption } from "../options.ts";
import type { Outcome } from "../outcome/outcome.ts";
import type { Picker, PickInfo, PickResult } from "../picker/picker.ts";
import type { Policy } from "../policy/policy.ts";
import type { Candidate } from "./candidate.ts";
import { type RampOptions, Ramps } from "./ramp.ts";

export interface SlowStartOptions {
  /** How long the weight of a new endpoint grows, in milliseconds: 1 to 2 147 483 647. */
  readonly windowMs: number;
  /** 1 grows evenly; 2 gives more than half of the weight in the first third; below 1, less at first. 0.01 to 100, default 1. */
  readonly aggression?: number;
  /** Percent of its weight that an endpoint has at least. 1 to 100, default 10. */
  readonly minWeightPercent?: number;
}

/**
 * Gives endpoints that join less at first: weight × max(minWeight, (age / window)^(1 / aggression)), Envoy's slow start.
 * For policies that heed weights.
 *
 * Nothing where all are new: without an endpoint that has been ready for a whole window, at the start and after an outage
 * of all that lasted as long, those that join have their whole weight, and keep it. An endpoint that was away for less
 * than the window, because its connection was lost or told to end, keeps its age. Weights move in steps of a twentieth of
 * the window, at least 100 ms and at most 1 s. Throws a `TypeError` or `RangeError`.
 */
export function slowStart(options: SlowStartOptions, child: Policy): Policy {
  checkKeys("slowStart", options, ["windowMs", "aggression", "minWeightPercent"]);
  const { windowMs, aggression = 1, minWeightPercent = 10 } = options;
  const ramp: RampOptions = {
    windowMs: numberOption("slowStart.windowMs", windowMs, { min: 1, max: maxTimerMs, unit: "milliseconds" }),
    aggression: numberOption("slowStart.aggression", aggression, { min: 0.01, max: 100 }),
    minWeightPercent: numberOption("slowStart.minWeightPercent", minWeightPercent, { min: 1, max: 100 }),
  };
  typeOption("slowStart.child", child, "function");
  return (previous, candidates, context) => {
    const before = previous instanceof SlowStartPicker && previous.arrivals.options === ramp ? previous : undefined;
    const arrivals = before?.arrivals ?? new Arrivals(ramp);
    const { clock, ready = candidates, emptySince } = context;
    if (emptySince !== undefined) arrivals.leave(emptySince);
    arrivals.update(ready, clock.now());
    const remake = (picker: Picker<(typeof candidates)[0]> | undefined) =>
      child(picker, candidates, arrivals.ramps.weighted(context));
    return new SlowStartPicker(arrivals, clock, candidates, remake, before?.child);
  };
}

class SlowStartPicker<C extends Candidate> implements Picker<C> {
  readonly arrivals: Arrivals;
  readonly #clock: Clock;
  readonly #candidates: readonly C[];
  readonly #remake: (previous: Picker<C> | undefined) => Picker<C>;
  #child: Picker<C>;

  constructor(
    arrivals: Arrivals,
    clock: Clock,
    candidates: readonly C[],
    remake: (previous: Picker<C> | undefined) => Picker<C>,
    previous: Picker<C> | undefined,
  ) {
    this.arrivals = arrivals;
    this.#clock = clock;
    this.#candidates = candidates;
    this.#remake = remake;
    this.#child = remake(previous);
  }

  get child(): Picker<C> {
    return this.#child;
  }

  get candidates(): readonly C[] {
    return this.#child.candidates ?? this.#candidates;
  }

  pick(info: PickInfo): PickResult<C> {
    this.#step();
    return this.#child.pick(info);
  }

  report(candidate: C, outcome: Outcome): void {
    this.#step();
    this.#child.report?.(candidate, outcome);
  }

  #step(): void {
    const { ramps } = this.arrivals;
    // the clock is read only while there is something to wait for
    if (ramps.nextStepAt === Number.POSITIVE_INFINITY || !ramps.step(this.#clock.now())) return;
    this.#child = this.#remake(this.#child);
  }
}

interface Arrival {
  readonly since: number;
  /** When it was first seen to be away; `undefined` while it is here. */
  awaySince: number | undefined;
  /** The update that last saw it. */
  update: number;
}

/** Since when each endpoint has been ready. */
class Arrivals {
  readonly options: RampOptions;
  readonly ramps: Ramps;
  readonly #arrivals = new Map<string, Arrival>();
  #updates = 0;
  #emptySince: number | undefined;

  constructor(options: RampOptions) {
    this.options = options;
    this.ramps = new Ramps(options);
  }

  /** All were away from then on. Told again of the same time, as who keeps a context does, it does nothing. */
  leave(emptySince: number): void {
    if (emptySince === this.#emptySince) return;
    this.#emptySince = emptySince;
    for (const arrival of this.#arrivals.values()) arrival.awaySince ??= emptySince;
  }

  update(ready: readonly Candidate[], now: number): void {
    const { windowMs } = this.options;
    const update = ++this.#updates;
    const joined: string[] = [];
    let isAnyWarm = false;
    for (const { endpoint } of ready) {
      const arrival = this.#arrivals.get(endpoint.key);
      if (arrival === undefined || now - (arrival.awaySince ?? now) >= windowMs) {
        joined.push(endpoint.key);
        continue;
      }
      arrival.update = update;
      arrival.awaySince = undefined;
      if (now - arrival.since >= windowMs) isAnyWarm = true;
    }
    for (const key of joined) {
      this.#arrivals.set(key, { since: now, awaySince: undefined, update });
      if (isAnyWarm) this.ramps.start(key, now, now);
    }
    for (const [key, arrival] of this.#arrivals) {
      if (arrival.update === update) continue;
      arrival.awaySince ??= now;
      if (now - arrival.awaySince >= windowMs) this.#arrivals.delete(key);
    }
  }
}
