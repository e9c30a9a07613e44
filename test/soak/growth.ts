import type { Sample } from "./census.ts";

const mib = 1_024 * 1_024;
/** What the heap and its buffers may grow by: code that is compiled late, tables that had to be enlarged once. */
const bytesAllowed = 4 * mib;

/** What grew from the first quarter of the samples to the last. Each route may have one socket or timer in motion. */
export function growthOf(samples: readonly Sample[], routes: number): readonly string[] {
  const half = Math.floor(samples.length / 2);
  const quarter = Math.max(Math.floor(samples.length / 4), Math.min(2, half), 1); // of few samples the first is high
  const [first, last] = [samples.slice(0, quarter), samples.slice(-quarter)];
  const allowed: readonly (readonly [keyof Sample, number])[] = [
    ["heapBytes", bytesAllowed],
    ["bufferBytes", bytesAllowed],
    ["sockets", routes],
    ["timers", routes],
  ];
  return allowed.flatMap(([name, most]) => {
    const growth = least(last, name) - least(first, name);
    return growth > most ? [`${name} grew by ${growth}, from ${least(first, name)}, where ${most} are allowed`] : [];
  });
}

/** The least is what noise disturbs least: garbage that is not collected yet, a connection that is being replaced. */
function least(samples: readonly Sample[], name: keyof Sample): number {
  return Math.min(...samples.map((sample) => sample[name]));
}
