import type { Endpoint } from "../src/endpoint/endpoint.ts";
import type { Random } from "../src/random.ts";
import type { Subset } from "../src/subset/subset.ts";
import { keysOf, pod, shuffled } from "./endpoints.ts";

/** Sets that differ from one to the next by one endpoint, which came or left; in changing orders. */
export function* singleChanges(random: Random, start: number, steps: number): Generator<readonly Endpoint[]> {
  let endpoints = Array.from({ length: start }, (_, index) => pod(index + 1));
  let next = start + 1;
  yield endpoints;
  for (let step = 0; step < steps; step++) {
    if (endpoints.length > 1 && random() < 0.5) endpoints = shuffled(random, endpoints).slice(1);
    else endpoints = shuffled(random, [...endpoints, pod(next++)]);
    yield endpoints;
  }
}

/** How many endpoints left a subset, and how many joined it. */
export function turnover(before: readonly Endpoint[], after: readonly Endpoint[]): { left: number; joined: number } {
  const [old, now] = [new Set(keysOf(before)), new Set(keysOf(after))];
  return {
    left: [...old].filter((key) => !now.has(key)).length,
    joined: [...now].filter((key) => !old.has(key)).length,
  };
}

export interface Spread {
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  /** Standard deviation relative to the mean. */
  readonly variation: number;
}

/** How the clients spread over the endpoints. */
export function spread(subsets: readonly Subset[], endpoints: readonly Endpoint[]): Spread {
  const clients = new Map(endpoints.map(({ key }) => [key, 0]));
  for (const subset of subsets) {
    for (const { key } of subset(endpoints)) clients.set(key, (clients.get(key) ?? 0) + 1);
  }
  const counts = [...clients.values()];
  const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length;
  const variance = counts.reduce((sum, count) => sum + (count - mean) ** 2, 0) / counts.length;
  return { min: Math.min(...counts), max: Math.max(...counts), mean, variation: Math.sqrt(variance) / mean };
}
