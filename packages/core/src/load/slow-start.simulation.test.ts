import { FakeClock, seededRandom } from "@evenkeel/testing";
import { describe, expect, test } from "vitest";
import { candidates, type LoadedCandidate, policyContext } from "../../test-helpers/candidates.ts";
import { success } from "../../test-helpers/probe-policy.ts";
import { runTraffic } from "../../test-helpers/traffic.ts";
import type { Picker } from "../picker/picker.ts";
import { leastRequest } from "../policy/least-request.ts";
import type { Policy } from "../policy/policy.ts";
import { roundRobin } from "../policy/round-robin.ts";
import { slowStart } from "./slow-start.ts";

const windowMs = 20_000;

/** The share of a fifth pod in each 2 s after it joined. */
function sharesOfFifth(child: Policy, aggression: number): number[] {
  const clock = new FakeClock();
  const random = seededRandom(5);
  const context = policyContext({ clock, random });
  const policy = slowStart({ windowMs, aggression }, child);
  const all = candidates(5);
  const fifth = all[4];
  let picker: Picker<LoadedCandidate> = policy(undefined, candidates(4), context);
  const shareFor = (forMs: number): number => {
    let rpcs = 0;
    let ofFifth = 0;
    runTraffic({
      ...{ clock, rps: 1_000, forMs, picker: () => picker },
      serve: () => ({ ...success, durationMs: 5 + 10 * random() }),
      ended(candidate) {
        rpcs++;
        if (candidate === fifth) ofFifth++;
      },
    });
    return ofFifth / rpcs;
  };
  shareFor(windowMs);
  picker = policy(picker, all, context);
  return Array.from({ length: 12 }, () => shareFor(2_000));
}

/** By the formula, in the middle of the 2 s, of four others. */
function expectedShare(index: number, aggression: number): number {
  const age = (2_000 * index + 1_000) / windowMs;
  const weight = Math.min(Math.max(0.1, age ** (1 / aggression)), 1);
  return weight / (4 + weight);
}

describe.each([
  ["round robin", roundRobin, 0.015],
  ["least request", leastRequest, 0.025],
] as const)("a pod that joins under slow start and %s", (_, policy, tolerance) => {
  test.each([1, 2, 0.5])("has the share of the formula, with aggression %f", (aggression) => {
    for (const [index, share] of sharesOfFifth(policy(), aggression).entries()) {
      expect(Math.abs(share - expectedShare(index, aggression)), `in the ${index + 1}th 2 s`).toBeLessThan(tolerance);
    }
  });
});
