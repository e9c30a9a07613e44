import type { RunOptions, ScenarioName } from "../options.ts";
import type { RunEvent, RunResult } from "../result.ts";

/** `12 345` */
export function count(value: number): string {
  return Math.round(value)
    .toString()
    .replaceAll(/\B(?=(\d{3})+$)/g, " ");
}

/** `12.3 s` */
export function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}

/** `12.3 ms` below 100 ms, `123 ms` from there. */
export function milliseconds(ms: number): string {
  return `${ms.toFixed(ms < 100 ? 1 : 0)} ms`;
}

/** What a run is, on one line. */
export function heading(scenario: ScenarioName, options: RunOptions): string {
  const { client, protocol, method, policy, resolver, network, rate } = options;
  const how = client === "evenkeel" ? [policy, `${resolver} resolver`] : ["one virtual IP"];
  const load = rate === 0 ? "closed loop" : `${count(rate)} RPC/s offered`;
  const where = network === "lagging" ? ["lagging network"] : [];
  return `${scenario}: ${[client, protocol, method, ...how, ...where, load].join(", ")}`;
}

export function eventText({ atMs, kind, pod, rpcsBefore }: RunEvent): string {
  return `${seconds(atMs).padStart(7)}  ${pod} ${kind}, after ${count(rpcsBefore)} RPCs`;
}

const disturbances: ReadonlySet<RunEvent["kind"]> = new Set(["frozen", "terminating", "exited"]);

/** The pods that were ready throughout a run. */
export function steadyPods({ perPod, newPods, events }: Pick<RunResult, "perPod" | "newPods" | "events">): string[] {
  const left = new Set(events.filter(({ kind }) => disturbances.has(kind)).map(({ pod }) => pod));
  return Object.keys(perPod).filter((pod) => newPods[pod] === undefined && !left.has(pod));
}
