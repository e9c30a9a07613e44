import type { ConnectivityState } from "@evenkeel/core";
import type { Cluster, PodPhase } from "@evenkeel/testing";
import type { DemoClient } from "../client/client.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { RunOptions, ScenarioName } from "../options.ts";
import type { RunEvent } from "../result.ts";

/** A run at one moment. */
export interface RunView {
  readonly scenario: ScenarioName;
  readonly options: RunOptions;
  readonly elapsedMs: number;
  readonly ok: number;
  readonly failed: number;
  /** RPCs that succeeded in the last second. */
  readonly perSecond: number;
  readonly pods: readonly PodView[];
  readonly events: readonly RunEvent[];
}

export interface PodView {
  readonly name: string;
  readonly phase: PodPhase;
  /** State of the client's connection to it; `undefined` when it has none. */
  readonly connection: ConnectivityState | undefined;
  readonly perSecond: number;
  /** From 0 to 1, of the last second. */
  readonly share: number;
  readonly answered: number;
}

/** A function that looks at a run that began at `startedAt`. */
export function viewOf(
  scenario: ScenarioName,
  options: RunOptions,
  cluster: Cluster,
  client: DemoClient,
  metrics: Metrics,
  startedAt: number,
): () => RunView {
  return () => {
    const now = performance.now();
    const connections = client.connections();
    const phases = new Map(cluster.pods.map(({ name, phase }) => [name, phase]));
    const counts = metrics.pods(now);
    const perSecond = counts.reduce((sum, { lastSecond }) => sum + lastSecond, 0);
    return {
      scenario,
      options,
      elapsedMs: now - startedAt,
      ok: metrics.ok,
      failed: metrics.failed,
      perSecond,
      pods: counts.map(({ name, answered, lastSecond }) => ({
        name,
        phase: phases.get(name) ?? "exited",
        connection: connections.get(name)?.state,
        perSecond: lastSecond,
        share: perSecond === 0 ? 0 : lastSecond / perSecond,
        answered,
      })),
      events: metrics.events,
    };
  };
}
