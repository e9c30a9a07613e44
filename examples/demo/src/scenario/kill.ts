import type { Scenario } from "./scenario.ts";

/** One of 6 pods dies without notice: the busiest, so that a client that has only one pod is struck. */
export const kill: Scenario = {
  pods: 6,
  callers: 20,
  policy: "round-robin",
  async play({ cluster, progress, busiestPod }) {
    await progress(0.4);
    const busiest = cluster.pods.find(({ name }) => name === busiestPod());
    if (busiest === undefined) throw new Error(`${busiestPod()} is not there to be killed`);
    await cluster.kill(busiest);
  },
};
