import type { Latency } from "../result.ts";

/** Percentiles by nearest rank; all 0 when there is no value. */
export function latencyOf(values: readonly number[]): Latency {
  const sorted = Float64Array.from(values).sort();
  const rank = (fraction: number): number => sorted[Math.max(0, Math.ceil(fraction * sorted.length) - 1)] ?? 0;
  return { p50: rank(0.5), p99: rank(0.99), p999: rank(0.999), max: rank(1) };
}
