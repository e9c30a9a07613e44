import type { Cluster } from "@evenkeel/testing";
import type { Load } from "../load/load.ts";
import type { Metrics } from "../metrics/metrics.ts";
import { until } from "../until.ts";
import type { Scenario, Stage } from "./scenario.ts";

/** New pods that have no fair share after so long get none: the client does not balance. */
const fairShareLimitMs = 5_000;
/** How long the load goes on after the last thing that happened. */
const tailMs = 1_000;

/**
 * Plays a scenario while `load` is on. Resolves when all of the load has been done, what happened is over, and a second
 * has passed since. Rejects with the reason of `signal` when that is aborted.
 */
export async function play(
  scenario: Scenario,
  cluster: Cluster,
  load: Load,
  metrics: Metrics,
  signal: AbortSignal,
): Promise<void> {
  const stage: Stage = {
    cluster,
    async progress(fraction) {
      await until(() => load.progress >= fraction, signal);
    },
    async passed(ms) {
      const endsAt = performance.now() + ms;
      await until(() => performance.now() >= endsAt, signal);
    },
    async fairShares() {
      await until(() => metrics.sharesAreFair, signal, fairShareLimitMs);
    },
    busiestPod() {
      const [first, ...others] = metrics.pods(performance.now());
      if (first === undefined) throw new Error("there are no pods");
      return others.reduce((busiest, pod) => (pod.answered > busiest.answered ? pod : busiest), first).name;
    },
  };
  await orAbort(scenario.play(stage), signal);
  await stage.passed(tailMs);
  await stage.progress(1);
}

/** A cluster that is about to start a pod knows no signal. */
async function orAbort(work: Promise<void>, signal: AbortSignal): Promise<void> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener("abort", onAbort);
  try {
    await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
