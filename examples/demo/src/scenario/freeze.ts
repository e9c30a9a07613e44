import type { Scenario } from "./scenario.ts";

/** Long enough to see that nothing is sent to it later than 2 s after it froze. */
const frozenMs = 4_000;

/** One of 5 pods stops answering, with its connections open, and goes on later: the busiest, as with `kill`. */
export const freeze: Scenario = {
  pods: 5,
  callers: 20,
  policy: "least-request",
  async play({ cluster, progress, passed, busiestPod }) {
    await progress(0.4);
    const busiest = cluster.pods.find(({ name }) => name === busiestPod());
    if (busiest === undefined) throw new Error(`${busiestPod()} is not there to be frozen`);
    cluster.freeze(busiest);
    await passed(frozenMs);
    cluster.thaw(busiest);
  },
};
