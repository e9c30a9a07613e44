import type { Policy } from "../src/policy/policy.ts";
import { roundRobin } from "../src/policy/round-robin.ts";

/** Round robin that starts at the first candidate. */
export const inTurn: Policy = (previous, candidates, context) =>
  roundRobin()(previous, candidates, { ...context, random: () => 0 });
