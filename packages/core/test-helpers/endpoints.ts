import { createEndpoint, type Endpoint, type EndpointInit } from "../src/endpoint/endpoint.ts";
import type { Random } from "../src/random.ts";

/** `pod-7` at 10.0.0.7:8080. */
export function pod(number: number, init: Partial<EndpointInit> = {}): Endpoint {
  const name = `pod-${number}`;
  return createEndpoint({ key: name, podName: name, host: `10.0.0.${number}`, port: 8080, ...init });
}

/** `pod-1` to `pod-<count>`. */
export function pods(count: number): Endpoint[] {
  return Array.from({ length: count }, (_, index) => pod(index + 1));
}

export function keysOf(endpoints: Iterable<Endpoint>): string[] {
  return Array.from(endpoints, ({ key }) => key);
}

/** One of `items`. Throws an `Error` when there is none. */
export function sample<T>(random: Random, items: readonly T[]): T {
  if (items.length === 0) throw new Error("nothing to choose from");
  return items[Math.floor(random() * items.length)] as T;
}

/** Each of `items` with a probability of one half, in their order. */
export function subsetOf<T>(random: Random, items: readonly T[]): T[] {
  return items.filter(() => random() < 0.5);
}

/** `items` in another order. */
export function shuffled<T>(random: Random, items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, rank: random() }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ item }) => item);
}
