import type { RunResult } from "../result.ts";
import { count, milliseconds, seconds, steadyPods } from "./text.ts";

/** What a run shows, on one line. */
export function verdictOf(result: RunResult): string {
  return [lossOf(result), spreadOf(result), newPodsOf(result), freezeOf(result), stallOf(result)]
    .filter((part) => part !== "")
    .join("; ");
}

function lossOf({ failed, rpcs, method, inFlightAtLoss, client }: RunResult): string {
  if (failed === 0) return `none of ${count(rpcs)} RPCs failed`;
  const lost = `${count(failed)} of ${count(rpcs)} RPCs failed`;
  if (client !== "evenkeel" || inFlightAtLoss === 0) return lost;
  const why = method === "charge" ? ", and must not be sent twice" : "";
  return `${lost}: ${count(inFlightAtLoss)} were under way on lost connections${why}`;
}

function spreadOf(result: RunResult): string {
  const { perPod } = result;
  const busy = Object.keys(perPod).filter((pod) => perPod[pod] !== 0);
  const idle = Object.keys(perPod).filter((pod) => perPod[pod] === 0);
  if (idle.length > 0) return `${listed(busy)} did everything, ${listed(idle)} got nothing`;
  const steady = steadyPods(result).map((pod) => perPod[pod] ?? 0);
  if (steady.length < 2) return `${busy.length} pods shared the work`;
  const mean = steady.reduce((sum, rpcs) => sum + rpcs, 0) / steady.length;
  const deviation = Math.max(...steady.map((rpcs) => Math.abs(rpcs - mean) / mean));
  return `the ${steady.length} pods that stayed are within ±${(deviation * 100).toFixed(1)} % of their mean`;
}

function newPodsOf({ newPods }: RunResult): string {
  const pods = Object.entries(newPods);
  if (pods.length === 0 || pods.some(([, { firstRpcMs }]) => firstRpcMs === null)) return "";
  const unfair = pods.filter(([, { fairShareMs }]) => fairShareMs === null).map(([pod]) => pod);
  if (unfair.length > 0) return `${listed(unfair)} never got a fair share`;
  const first = Math.max(...pods.map(([, { firstRpcMs }]) => firstRpcMs ?? 0));
  const fair = Math.max(...pods.map(([, { fairShareMs }]) => fairShareMs ?? 0));
  return `every new pod had its first RPC after ${milliseconds(first)}, its fair share after ${seconds(fair)}, at most`;
}

function freezeOf({ freeze }: RunResult): string {
  if (freeze === null) return "";
  const { pod, othersUndisturbedMs, othersDuringMs, othersP99Ratio: ratio, latePicks, waited } = freeze;
  const change = `from ${milliseconds(othersUndisturbedMs.p99)} to ${milliseconds(othersDuringMs.p99)}`;
  const others = ratio === null ? "no other pod answered" : `the others' p99 went ${change} (× ${ratio.toFixed(1)})`;
  const given = latePicks === 0 ? "no RPC was" : latePicks === 1 ? "1 RPC was" : `${count(latePicks)} RPCs were`;
  return `while ${pod} was frozen ${others}, ${given} sent to it after 2 s, ${count(waited)} waited for it`;
}

function stallOf({ stallMs }: RunResult): string {
  return `the longest stall was ${milliseconds(stallMs)}`;
}

function listed(pods: readonly string[]): string {
  if (pods.length < 2) return pods[0] ?? "no pod";
  return `${pods.slice(0, -1).join(", ")} and ${pods.at(-1)}`;
}
