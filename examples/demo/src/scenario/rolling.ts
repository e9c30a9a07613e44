import type { Scenario } from "./scenario.ts";

/** Every one of 5 pods is replaced, one after another. */
export const rolling: Scenario = {
  pods: 5,
  callers: 500,
  policy: "round-robin",
  async play({ cluster, progress, fairShares }) {
    await progress(0.15);
    await cluster.rollingRestart();
    await fairShares();
  },
};
