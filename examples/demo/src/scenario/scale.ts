import type { Scenario } from "./scenario.ts";

/** 5 pods become 7, and then 5 again: the two that came leave. */
export const scale: Scenario = {
  pods: 5,
  callers: 500,
  policy: "round-robin",
  async play({ cluster, progress, fairShares }) {
    await progress(0.2);
    await cluster.scale(7);
    await fairShares();
    await progress(0.65);
    await cluster.scale(5);
  },
};
