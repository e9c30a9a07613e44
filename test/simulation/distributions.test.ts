import { seededRandom } from "@evenkeel/testing";
import { expect, test } from "vitest";
import { quantile } from "../bench/statistics.ts";
import { type Distribution, exponential, lognormal } from "./distributions.ts";

function draws(distribution: Distribution): Float64Array {
  const random = seededRandom(3);
  return Float64Array.from({ length: 200_000 }, () => distribution(random)).sort();
}

function relative(actual: number, expected: number): number {
  return Math.abs(actual / expected - 1);
}

test("exponential: mean and quantiles", () => {
  const values = draws(exponential(10));
  expect(relative(values.reduce((sum, value) => sum + value, 0) / values.length, 10)).toBeLessThan(0.01);
  expect(relative(quantile(values, 0.5), 10 * Math.LN2)).toBeLessThan(0.02);
  expect(relative(quantile(values, 0.99), 10 * Math.log(100))).toBeLessThan(0.02);
});

test("lognormal: mean and quantiles", () => {
  const values = draws(lognormal(10, 1.5));
  const median = 10 * Math.exp(-(1.5 ** 2) / 2);
  expect(relative(values.reduce((sum, value) => sum + value, 0) / values.length, 10)).toBeLessThan(0.03);
  expect(relative(quantile(values, 0.5), median)).toBeLessThan(0.02);
  expect(relative(quantile(values, 0.99), median * Math.exp(2.3263 * 1.5))).toBeLessThan(0.04);
});
