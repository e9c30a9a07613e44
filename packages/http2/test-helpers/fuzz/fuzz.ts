import { connectionTarget } from "./connection-target.ts";
import { frameTarget } from "./frame-target.ts";
import { hpackTarget } from "./hpack-target.ts";
import { randomOf } from "./random.ts";
import type { FuzzTarget } from "./target.ts";

export interface FuzzOptions {
  readonly inputs: number;
  readonly seed: number;
  /** Only the input of that index. */
  readonly only?: number | undefined;
  /** Called now and then, before the inputs of an index and those behind it. */
  readonly onProgress?: (index: number) => void;
}

export interface FuzzReport {
  /** Inputs of each target by outcome. */
  readonly outcomes: ReadonlyMap<string, ReadonlyMap<string, number>>;
  readonly maxHeapBytes: number;
  readonly failure: { readonly index: number; readonly target: string; readonly error: unknown } | undefined;
}

export const fuzzTargets: readonly FuzzTarget[] = [frameTarget, hpackTarget, connectionTarget];

/** Inputs that are under way at once; their turns of the event loop are shared. */
export const batchSize = 500;
/** No input needs that; all of them together do not, either. */
const maxHeapBytes = 1024 * 1024 * 1024;

/** Feeds inputs to the targets, the same for the same seed, until one finds a bug. */
export async function fuzz(options: FuzzOptions): Promise<FuzzReport> {
  const { inputs, seed, only, onProgress } = options;
  const outcomes = new Map(fuzzTargets.map(({ name }) => [name, new Map<string, number>()]));
  const report = { outcomes, maxHeapBytes: 0, failure: undefined as FuzzReport["failure"] };
  const runOne = async (index: number): Promise<void> => {
    const target = targetOf(index);
    try {
      const result = target.run(randomOf(seed, index));
      const outcome = typeof result === "string" ? result : await result;
      const counts = outcomes.get(target.name);
      counts?.set(outcome, (counts.get(outcome) ?? 0) + 1);
    } catch (error) {
      if (report.failure === undefined || report.failure.index > index) {
        report.failure = { index, target: target.name, error };
      }
    }
  };
  if (only !== undefined) {
    await runOne(only);
    return report;
  }
  for (let start = 0; start < inputs && report.failure === undefined; start += batchSize) {
    onProgress?.(start);
    const batch: Promise<void>[] = [];
    for (let index = start; index < Math.min(start + batchSize, inputs); index++) batch.push(runOne(index));
    await Promise.all(batch);
    const { heapUsed, external } = process.memoryUsage();
    report.maxHeapBytes = Math.max(report.maxHeapBytes, heapUsed + external);
    if (report.maxHeapBytes > maxHeapBytes) {
      const error = new Error(`${report.maxHeapBytes} bytes of memory, above ${maxHeapBytes}`);
      report.failure ??= { index: start, target: "all", error };
    }
  }
  return report;
}

function targetOf(index: number): FuzzTarget {
  // spread over every hundred, so that each batch has all of them
  let slot = (index * 37) % 100;
  for (const target of fuzzTargets) {
    slot -= target.share;
    if (slot < 0) return target;
  }
  throw new Error("the shares are not a hundred");
}
