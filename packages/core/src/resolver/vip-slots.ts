import type { Endpoint } from "../endpoint/endpoint.ts";

/** One connection through a virtual address. */
export interface Slot {
  readonly key: string;
  /** The address, as it was looked up. */
  base: Endpoint;
  /** What the pool has: `base` under this slot's key, with what is known of the pod. */
  endpoint: Endpoint;
  /** The pod that answered last; `undefined` while none has named itself. */
  pod: string | undefined;
  /** Whether any pod has answered through it. */
  answered: boolean;
  bornAt: number;
  /** When it is to be replaced. */
  retireAt: number;
  /** New connections that could not replace it since then. */
  passedOver: number;
  /** Losses that were known when the pod was learnt, and changes of the pod since that none explains. */
  losses: number;
  strays: number;
}

/** How many slots each pod has. */
export function slotsByPod(slots: Iterable<Slot>): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { pod } of slots) if (pod !== undefined) counts.set(pod, (counts.get(pod) ?? 0) + 1);
  return counts;
}

/**
 * Which of the slots leaves now that `trial`, which is one more than wanted, has been answered: none that is the only one
 * of its pod, unless its time is over and it was passed over `patience` times, so that what is covered stays covered.
 *
 * - Where another pod has more slots than the trial's, the oldest of that pod: the spread is better then.
 * - Where the trial's pod has the most slots, an old one of the same pod while any is to be replaced, else the trial.
 * - Where each has its own pod, the one that is to be replaced, else the trial.
 */
export function leavingSlot(trial: Slot, slots: Iterable<Slot>, now: number, patience: number): Slot {
  const others = [...slots].filter((slot) => slot !== trial).sort((a, b) => a.retireAt - b.retireAt);
  const [expired] = others.filter(({ retireAt }) => retireAt <= now);
  const counts = slotsByPod([...others, trial]);
  const most = Math.max(1, ...counts.values());
  if (most === 1) return expired ?? trial;
  if (trial.pod === undefined || counts.get(trial.pod) !== most) {
    return others.find(({ pod }) => pod !== undefined && counts.get(pod) === most) ?? trial;
  }
  if (expired === undefined) return trial;
  const twin = others.find(({ pod }) => pod === trial.pod);
  // one that has lived for half its time is renewed along with those whose time is over: of many slots each would wait
  // for its own pod to be found again
  if (twin !== undefined && now >= (twin.bornAt + twin.retireAt) / 2) return twin;
  return expired.passedOver >= patience ? expired : trial;
}
