import { median } from "../statistics.ts";
import { dialCap, sliceTargets } from "./cases.ts";
import type { SliceResult, Spread } from "./run-slices.ts";

/** A JSON document of one line. */
export function sliceJson({ case: { name, endpoints, slices }, ...result }: SliceResult): string {
  const row = {
    case: name,
    endpoints,
    slices,
    initialSyncMs: rounded(median(result.initialSyncMs)),
    firstSyncMs: rounded(result.initialSyncMs[0] ?? Number.NaN),
    toResolverMs: roundedSpread(result.toResolverMs),
    removedToPickMs: roundedSpread(result.removedToPickMs),
    addedToPickMs: roundedSpread(result.addedToPickMs),
    dialsAtOnce: result.dialsAtOnce,
  };
  return `${JSON.stringify(row)}\n`;
}

/** What was measured, and what has become of the targets. */
export function sliceTable(result: SliceResult): string {
  const { name, endpoints, slices } = result.case;
  const syncMs = median(result.initialSyncMs);
  const coldMs = result.initialSyncMs[0] ?? Number.NaN;
  const lines = [
    `${name}: ${endpoints} endpoints in ${slices === 1 ? "one slice" : `${slices} slices`}`,
    `initial sync       ${ms(syncMs)} median, ${ms(coldMs)} the first; ${target(syncMs, sliceTargets.initialSync)}`,
    `update to resolver ${spread(result.toResolverMs)}`,
    `removed to picker  ${spread(result.removedToPickMs)}; ${target(result.removedToPickMs.p50, sliceTargets.update)}`,
    `added to picker    ${spread(result.addedToPickMs)}; ${target(result.addedToPickMs.p50, sliceTargets.update)}`,
    `dials at once      ${result.dialsAtOnce}; ${result.dialsAtOnce <= dialCap ? "within" : "above"} the cap of ${dialCap}`,
  ];
  return [...lines, "", ""].join("\n");
}

function target(value: number, atMost: number): string {
  return `target ≤ ${atMost} ms: ${value <= atMost ? "met" : "missed"}`;
}

function spread({ p50, p99 }: Spread): string {
  return `${ms(p50)} median, ${ms(p99)} p99`;
}

function ms(value: number): string {
  return `${value.toFixed(value < 100 ? 1 : 0)} ms`;
}

function roundedSpread({ p50, p99 }: Spread): Spread {
  return { p50: rounded(p50), p99: rounded(p99) };
}

/** To a hundredth. */
function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}
