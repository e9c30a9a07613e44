import type { RunResult } from "../result.ts";
import { count, milliseconds, seconds } from "./text.ts";
import { verdictOf } from "./verdict.ts";

/** A finished run, for people. */
export function summaryLines(result: RunResult): readonly string[] {
  const { scenario, rpcs, ok, failed, elapsedMs, latencyMs, perPod, newPods, inFlightAtLoss } = result;
  const { p50, p99, p999, max } = latencyMs;
  const width = Math.max(...Object.keys(perPod).map((pod) => pod.length));
  const most = Math.max(1, ...Object.values(perPod));
  return [
    `${scenario}: ${count(rpcs)} RPCs in ${seconds(elapsedMs)}, ${count(ok)} ok, ${count(failed)} failed${failures(result)}`,
    `  latency: p50 ${milliseconds(p50)}, p99 ${milliseconds(p99)}, p99.9 ${milliseconds(p999)}, max ${milliseconds(max)}`,
    ...(inFlightAtLoss > 0 ? [`  under way on connections when these were lost: ${count(inFlightAtLoss)}`] : []),
    ...Object.entries(perPod).map(([pod, answered]) => {
      const bar = "█".repeat(Math.round((answered / most) * 20)).padEnd(20);
      return `  ${pod.padEnd(width)} ${bar} ${count(answered).padStart(8)}${arrival(newPods[pod])}`;
    }),
    ...result.messages.map((message) => `  failed: ${message}`),
    `  → ${verdictOf(result)}`,
  ];
}

function failures({ errors }: RunResult): string {
  const codes = Object.entries(errors).map(([code, failed]) => `${code}: ${count(failed)}`);
  return codes.length === 0 ? "" : ` (${codes.join(", ")})`;
}

function arrival(pod: RunResult["newPods"][string] | undefined): string {
  if (pod === undefined) return "";
  const { readyAtMs, firstRpcMs, fairShareMs } = pod;
  const first = firstRpcMs === null ? "no RPC" : `first RPC after ${milliseconds(firstRpcMs)}`;
  const fair = fairShareMs === null ? "no fair share" : `fair share after ${seconds(fairShareMs)}`;
  return `   new: ready at ${seconds(readyAtMs)}, ${first}, ${fair}`;
}
