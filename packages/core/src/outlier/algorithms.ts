import type { FailurePercentageEjection, SuccessRateEjection } from "./options.ts";

/** What was counted of an endpoint in one interval. */
export interface Counts {
  readonly successes: number;
  readonly failures: number;
}

/** Those whose share of successes is more than the factor of standard deviations below the mean (gRFC A50; Envoy). */
export function successRateOutliers<T extends Counts>(
  counted: readonly T[],
  { stdevFactor, minimumHosts, requestVolume }: Required<SuccessRateEjection>,
): T[] {
  const judged = withVolume(counted, requestVolume);
  if (judged.length < minimumHosts) return [];
  const mean = judged.reduce((sum, each) => sum + successRate(each), 0) / judged.length;
  const variance = judged.reduce((sum, each) => sum + (successRate(each) - mean) ** 2, 0) / judged.length;
  // of equal rates none is below their mean, whatever the sums were rounded to
  const threshold = mean - (Math.sqrt(variance) * stdevFactor) / 1_000 - Number.EPSILON * judged.length;
  return worstFirst(judged.filter((each) => successRate(each) < threshold));
}

/** Those that fail at least as often as the threshold says (gRFC A50; Envoy). */
export function failurePercentageOutliers<T extends Counts>(
  counted: readonly T[],
  size: number,
  { threshold, minimumHosts, requestVolume }: Required<FailurePercentageEjection>,
): T[] {
  if (size < minimumHosts) return [];
  const judged = withVolume(counted, requestVolume);
  return worstFirst(judged.filter(({ successes, failures }) => 100 * failures >= threshold * (successes + failures)));
}

function withVolume<T extends Counts>(counted: readonly T[], requestVolume: number): T[] {
  return counted.filter(({ successes, failures }) => successes + failures >= requestVolume);
}

function successRate({ successes, failures }: Counts): number {
  return successes / (successes + failures);
}

/** Not all of them may be ejected. */
function worstFirst<T extends Counts>(outliers: T[]): T[] {
  return outliers.sort((a, b) => successRate(a) - successRate(b));
}
