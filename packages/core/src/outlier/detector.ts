import type { Endpoint } from "../endpoint/endpoint.ts";
import type { Candidate } from "../load/candidate.ts";
import { Ramps } from "../load/ramp.ts";
import { isFailure } from "../outcome/failure.ts";
import type { Outcome } from "../outcome/outcome.ts";
import type { Random } from "../random.ts";
import { failurePercentageOutliers, successRateOutliers } from "./algorithms.ts";
import type { EjectionChange, EjectionReason, OutlierSettings } from "./options.ts";

/** What is known of an endpoint. */
interface Judged {
  endpoint: Endpoint;
  /** The update that last saw it. */
  update: number;
  /** In this interval. */
  successes: number;
  failures: number;
  /** Failures since the last success. */
  consecutive: number;
  /** Ejections that count for the length of the next: one less for each interval without. */
  multiplier: number;
  /** When it may return; `undefined` unless it is ejected. */
  until: number | undefined;
}

/**
 * Decides which endpoints are ejected, by what becomes of their RPCs (gRFC A50). It has no timer: what should have been
 * done at the end of an interval is done by the first call after it, as of the time when it was due.
 *
 * An endpoint that left the set is remembered while it is ejected, or was lately.
 */
export class OutlierDetector {
  readonly settings: OutlierSettings;
  readonly ramps: Ramps;
  readonly #random: Random;
  readonly #judged = new Map<string, Judged>();
  #updates = 0;
  /** Endpoints of the set. */
  #size = 0;
  /** Of these. */
  #ejected = 0;
  #sweepAt: number;
  #changes: EjectionChange[] = [];
  #isChanged = false;

  constructor(settings: OutlierSettings, random: Random, now: number) {
    this.settings = settings;
    this.ramps = new Ramps({ windowMs: settings.returnWindowMs, aggression: 1, minWeightPercent: 10 });
    this.#random = random;
    this.#sweepAt = now + settings.intervalMs;
  }

  get size(): number {
    return this.#size;
  }

  /** Whether there is something that time changes. */
  get isActive(): boolean {
    return this.#isChanged || this.#ejected > 0 || this.ramps.nextStepAt !== Number.POSITIVE_INFINITY;
  }

  /** Whether ejections or weights changed since `takeChanges`. */
  get isChanged(): boolean {
    return this.#isChanged;
  }

  isEjected({ endpoint }: Candidate): boolean {
    return this.#ejected > 0 && this.#judged.get(endpoint.key)?.until !== undefined;
  }

  /** The set changed. */
  update(endpoints: Iterable<Endpoint>, now: number): void {
    this.look(now);
    const update = ++this.#updates;
    this.#size = 0;
    this.#ejected = 0;
    for (const endpoint of endpoints) {
      const judged = this.#judged.get(endpoint.key);
      if (judged === undefined) this.#judged.set(endpoint.key, newcomer(endpoint, update));
      else {
        if (judged.update === update) continue; // told twice
        judged.endpoint = endpoint;
        judged.update = update;
        if (judged.until !== undefined) this.#ejected++;
      }
      this.#size++;
    }
    this.#returnSurplus(now);
  }

  /** Counts an outcome. */
  report({ endpoint }: Candidate, outcome: Outcome, now: number): void {
    this.look(now);
    const judged = this.#judged.get(endpoint.key);
    if (judged === undefined || judged.update !== this.#updates) return;
    if (isFailure(outcome)) {
      judged.failures++;
      judged.consecutive++;
      const limit = this.settings.consecutiveFailures;
      if (limit === undefined || judged.consecutive < limit.threshold) return;
      judged.consecutive = 0;
      this.#eject(judged, "consecutiveFailures", now);
    } else if (outcome.fate === "answered" || outcome.firstByteMs !== undefined) {
      judged.successes++;
      judged.consecutive = 0;
    }
  }

  /** Does what is due. */
  look(now: number): void {
    if (now >= this.#sweepAt) this.#sweep(now);
    if (now >= this.ramps.nextStepAt && this.ramps.step(now)) this.#isChanged = true;
  }

  /** What was ejected and what returned since the last call. */
  takeChanges(): readonly EjectionChange[] {
    this.#isChanged = false;
    if (this.#changes.length === 0) return this.#changes;
    const changes = this.#changes;
    this.#changes = [];
    return changes;
  }

  /** Of two or more one may be ejected whatever the share, as gRFC A50 and Envoy have it; unless none may be. */
  get #mostEjected(): number {
    const { maxEjectionPercent } = this.settings;
    if (maxEjectionPercent === 0) return 0;
    return Math.max(Math.floor((this.#size * maxEjectionPercent) / 100), this.#size > 1 ? 1 : 0);
  }

  #sweep(now: number): void {
    const at = this.#sweepAt;
    const { intervalMs, successRateEjection, failurePercentageEjection } = this.settings;
    const intervals = Math.floor((now - at) / intervalMs); // without RPCs
    this.#sweepAt = at + (intervals + 1) * intervalMs;
    const counted = [...this.#judged.values()].filter(
      ({ update, until }) => update === this.#updates && until === undefined,
    );
    if (successRateEjection !== undefined) {
      for (const outlier of successRateOutliers(counted, successRateEjection)) {
        this.#eject(outlier, "successRateEjection", at);
      }
    }
    if (failurePercentageEjection !== undefined) {
      for (const outlier of failurePercentageOutliers(counted, this.#size, failurePercentageEjection)) {
        this.#eject(outlier, "failurePercentageEjection", at);
      }
    }
    for (const judged of this.#judged.values()) {
      judged.successes = 0;
      judged.failures = 0;
      this.#age(judged, at, intervals, now);
      this.#forgetIfGone(judged);
    }
  }

  /** Ends an ejection whose time is over, and lets what it counts for fade: at `at`, and for the `intervals` after it. */
  #age(judged: Judged, at: number, intervals: number, now: number): void {
    let ended = -1;
    if (judged.until !== undefined) {
      ended = Math.max(Math.ceil((judged.until - at) / this.settings.intervalMs), 0);
      if (ended > intervals) return;
      this.#return(judged, at + ended * this.settings.intervalMs, now);
    }
    judged.multiplier = Math.max(judged.multiplier - (intervals - ended), 0);
  }

  #eject(judged: Judged, reason: EjectionReason, at: number): void {
    const { baseEjectionTimeMs, maxEjectionTimeMs, [reason]: algorithm } = this.settings;
    if (judged.until !== undefined || this.#ejected >= this.#mostEjected) return;
    if (100 * this.#random() >= (algorithm?.enforcementPercentage ?? 0)) return;
    judged.multiplier = Math.min(judged.multiplier + 1, Math.ceil(maxEjectionTimeMs / baseEjectionTimeMs));
    const forMs = Math.min(baseEjectionTimeMs * judged.multiplier, maxEjectionTimeMs);
    judged.until = at + forMs;
    this.#ejected++;
    this.#changes.push({ kind: "ejected", endpoint: judged.endpoint, reason, forMs });
    this.#isChanged = true;
  }

  /** What it did before counts no more, except for the length of its next ejection. */
  #return(judged: Judged, at: number, now: number): void {
    judged.until = undefined;
    judged.consecutive = 0;
    judged.successes = 0;
    judged.failures = 0;
    if (judged.update === this.#updates) this.#ejected--;
    this.ramps.start(judged.endpoint.key, at, now);
    this.#changes.push({ kind: "returned", endpoint: judged.endpoint });
    this.#isChanged = true;
  }

  /** In a smaller set less may be ejected: those return that would first. */
  #returnSurplus(now: number): void {
    const surplus = this.#ejected - this.#mostEjected;
    if (surplus <= 0) return;
    const ejected = [...this.#judged.values()].filter(
      (judged) => judged.update === this.#updates && judged.until !== undefined,
    );
    ejected.sort((a, b) => (a.until as number) - (b.until as number));
    for (const judged of ejected.slice(0, surplus)) this.#return(judged, now, now);
  }

  /** One that left the set, and of which nothing is known any more. */
  #forgetIfGone({ endpoint, update, until, multiplier }: Judged): void {
    if (update === this.#updates || until !== undefined || multiplier > 0) return;
    this.#judged.delete(endpoint.key);
  }
}

function newcomer(endpoint: Endpoint, update: number): Judged {
  return { endpoint, update, successes: 0, failures: 0, consecutive: 0, multiplier: 0, until: undefined };
}
