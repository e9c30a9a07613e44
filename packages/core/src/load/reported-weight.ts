import type { ServerLoad } from "./server-load.ts";

export interface ReportedWeightOptions {
  /** How long reports have to come before they count, in milliseconds. */
  readonly blackoutMs: number;
  /** How long a report counts, in milliseconds. */
  readonly expirationMs: number;
  readonly errorPenalty: number;
}

/** Others make no sense, and to reckon with them would exceed what numbers hold. */
const leastWeight = 1e-9;
const greatestWeight = 1e12;

/** The weight of one endpoint by its own reports (gRFC A58, section "Subchannel Weights"). */
export class ReportedWeight {
  readonly #options: ReportedWeightOptions;
  #weight = 0;
  #reportedAt = Number.NEGATIVE_INFINITY;
  /** Since when it has had a weight without a break. */
  #since = Number.POSITIVE_INFINITY;

  constructor(options: ReportedWeightOptions) {
    this.#options = options;
  }

  /** Reports without RPCs or without utilization say nothing, and are no reports; nor are those that make no sense. */
  update({ applicationUtilization, cpuUtilization, rps, eps }: ServerLoad, now: number): void {
    const utilization = applicationUtilization > 0 ? applicationUtilization : cpuUtilization;
    if (!(utilization > 0 && rps > 0)) return;
    const weight = rps / (utilization + Math.max(0, eps / rps) * this.#options.errorPenalty);
    if (!(weight >= leastWeight && weight <= greatestWeight)) return;
    if (this.#since === Number.POSITIVE_INFINITY) this.#since = now;
    this.#reportedAt = now;
    this.#weight = weight;
  }

  /** The weight at this time; 0 for none. */
  at(now: number): number {
    if (now - this.#reportedAt >= this.#options.expirationMs) {
      this.#since = Number.POSITIVE_INFINITY;
      return 0;
    }
    return now - this.#since < this.#options.blackoutMs ? 0 : this.#weight;
  }
}
