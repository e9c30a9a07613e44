import { type Policy, roundRobin } from "@evenkeel/core";

/** Round robin that starts at the first candidate. */
export const inTurn: Policy = (previous, candidates, context) =>
  roundRobin()(previous, candidates, { ...context, random: () => 0 });
