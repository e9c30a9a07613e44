import type { Endpoint } from "../src/endpoint/endpoint.ts";
import type { Candidate } from "../src/load/candidate.ts";
import type { Picker } from "../src/picker/picker.ts";
import type { LoadedCandidate } from "./candidates.ts";

const path = "/demo.v1.Demo/Call";

/** Idle candidates of these endpoints. Throws a `RangeError` when there is none. */
export function candidatesOf(endpoints: readonly Endpoint[]): [LoadedCandidate, ...LoadedCandidate[]] {
  const [first, ...rest] = endpoints.map((endpoint) => ({ endpoint, inFlight: 0 }));
  if (first === undefined) throw new RangeError("a policy gets at least one candidate");
  return [first, ...rest];
}

/** Picks for an RPC whose header `x-user-id` is `key`. Throws an `Error` when the picker finds nothing. */
export function pickFor<C extends Candidate>(picker: Picker<C>, key: string, avoid?: ReadonlySet<string>): C {
  const result = picker.pick({ path, header: (name) => (name === "x-user-id" ? key : undefined), avoid });
  if (result.kind !== "complete") throw new Error(`expected a connection, got ${result.kind}`);
  return result.candidate;
}

/** The key of the endpoint that each of `count` users gets, `user-0` first. */
export function ownersOf<C extends Candidate>(picker: Picker<C>, count: number): string[] {
  return Array.from({ length: count }, (_, user) => pickFor(picker, `user-${user}`).endpoint.key);
}

/** How many users got another endpoint, by the endpoint they had. */
export function movesOf(before: readonly string[], after: readonly string[]): Map<string, number> {
  const moves = new Map<string, number>();
  for (const [user, key] of before.entries()) {
    if (after[user] !== key) moves.set(key, (moves.get(key) ?? 0) + 1);
  }
  return moves;
}

/** How many users each has. */
export function countsOf(owners: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const key of owners) counts.set(key, (counts.get(key) ?? 0) + 1);
  return counts;
}
