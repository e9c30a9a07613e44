import { describe, expect, test } from "vitest";
import { createEndpoint } from "../endpoint/endpoint.ts";
import { leavingSlot, type Slot, slotsByPod } from "./vip-slots.ts";

const now = 1_000_000;
const maxAge = 300_000;
const patience = 8;

/** Of this pod, with this part of its time over. */
function slot(pod: string | undefined, age: number, passedOver = 0): Slot {
  const base = createEndpoint({ host: "10.96.0.10", port: 80 });
  const bornAt = now - age * maxAge;
  const times = { bornAt, retireAt: bornAt + maxAge };
  return { key: "", base, endpoint: base, pod, answered: true, passedOver, losses: 0, strays: 0, ...times };
}

/** The one of `slots` that leaves; the last is the trial. */
function leaving(...slots: Slot[]): number {
  return slots.indexOf(leavingSlot(slots.at(-1) as Slot, slots, now, patience));
}

test("slots without a pod are counted for none", () => {
  expect([...slotsByPod([slot("a", 0), slot(undefined, 0), slot("b", 0), slot("a", 0)])]).toEqual([
    ["a", 2],
    ["b", 1],
  ]);
});

describe("a trial on a pod that had no slot", () => {
  test("takes the place of the oldest on the pod that has the most", () => {
    expect(leaving(slot("a", 0.9), slot("b", 0.2), slot("b", 0.3), slot("c", 0))).toBe(2);
    expect(leaving(slot("a", 0.9), slot("a", 0.1), slot("b", 0.2), slot("b", 0.3), slot("b", 0.1), slot("c", 0))).toBe(
      3,
    );
  });

  test("takes the place of the one whose time is over", () => {
    expect(leaving(slot("a", 0.9), slot("b", 1.01), slot("d", 1.02), slot("c", 0))).toBe(2);
  });

  test("leaves where nothing is to be replaced", () => {
    expect(leaving(slot("a", 0.9), slot("b", 0.7), slot("c", 0))).toBe(2);
  });
});

describe("a trial on a pod that has a slot", () => {
  test("leaves while no slot's time is over", () => {
    expect(leaving(slot("a", 0.9), slot("b", 0.7), slot("a", 0))).toBe(2);
    expect(leaving(slot("a", 0.9), slot("a", 0.9), slot("b", 0.7), slot("b", 0.7), slot("a", 0))).toBe(4);
  });

  test("evens the spread out where another pod has more", () => {
    expect(leaving(slot("a", 0.1), slot("b", 0.9), slot("b", 0.5), slot("b", 0.6), slot("a", 0))).toBe(1);
  });

  test("stays where that changes nothing but the pod with more", () => {
    expect(leaving(slot("a", 0.1), slot("b", 0.9), slot("b", 0.5), slot("a", 0))).toBe(3);
  });

  test("renews the one of the same pod whose time is over", () => {
    expect(leaving(slot("a", 1.2), slot("b", 1.1), slot("b", 0))).toBe(1);
  });

  test("renews the one of the same pod that has lived for half its time, while another's is over", () => {
    expect(leaving(slot("a", 1.2), slot("b", 0.6), slot("b", 0))).toBe(1);
    expect(leaving(slot("a", 1.2), slot("b", 0.4), slot("b", 0))).toBe(2);
  });

  test("takes the place of one that has been passed over often, whose pod may be gone", () => {
    expect(leaving(slot("a", 1.2, patience - 1), slot("b", 0.4), slot("b", 0))).toBe(2);
    expect(leaving(slot("a", 1.2, patience), slot("b", 0.4), slot("b", 0))).toBe(0);
  });
});

describe("a trial whose pod has no name", () => {
  test("takes the place of the one whose time is over, else leaves", () => {
    expect(leaving(slot(undefined, 0.9), slot(undefined, 1.1), slot(undefined, 0))).toBe(1);
    expect(leaving(slot(undefined, 0.9), slot(undefined, 0.8), slot(undefined, 0))).toBe(2);
  });

  test("counts as a pod of its own among those with names", () => {
    expect(leaving(slot("a", 0.1), slot("b", 0.9), slot("b", 0.5), slot(undefined, 0))).toBe(1);
  });
});

test("slots that never retire leave only for a better spread", () => {
  const ageless = (pod: string): Slot => ({ ...slot(pod, 0.5), retireAt: Number.POSITIVE_INFINITY });
  expect(leaving(ageless("a"), ageless("b"), ageless("b"), ageless("c"))).toBe(1);
  expect(leaving(ageless("a"), ageless("b"), ageless("b"))).toBe(2);
});
