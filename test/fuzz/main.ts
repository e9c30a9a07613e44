/**
 * Feeds mutated bytes of servers to the frame reader, the HPACK decoder and whole connections, and fails at the first
 * bug. What a failure prints reproduces it.
 */
import { parseArgs } from "node:util";
import { batchSize, fuzz } from "../../packages/http2/test-helpers/fuzz/fuzz.ts";

const usage = "usage: main.ts [--inputs N] [--seed N] [--only INDEX]";
const { values } = parseArgs({
  options: { inputs: { type: "string" }, seed: { type: "string" }, only: { type: "string" } },
});
const inputs = integer("inputs", values.inputs ?? "1000000");
const seed = integer("seed", values.seed ?? "1");
const only = values.only === undefined ? undefined : integer("only", values.only);

let current = 0;
const startedAt = performance.now();
const seconds = (): number => (performance.now() - startedAt) / 1_000;

// what escapes from a timer or an event has no input of its own
for (const event of ["uncaughtException", "unhandledRejection"] as const) {
  process.on(event, (error) => {
    const range = only ?? `${current} to ${current + batchSize - 1}`;
    console.error(`${event}, seed ${seed}, index ${range}; find it with --only INDEX`, error);
    process.exit(1);
  });
}

const { outcomes, maxHeapBytes, failure } = await fuzz({ inputs, seed, only, onProgress });
for (const [target, counts] of outcomes) {
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  const classes = [...counts].sort(([, a], [, b]) => b - a).map(([outcome, count]) => `${outcome} ${count}`);
  console.log(`${target}: ${total} inputs (${classes.join(", ")})`);
}
if (only === undefined) {
  console.log(`${Math.round((failure?.index ?? inputs) / seconds())} inputs per second, ${seconds().toFixed(0)} s`);
  console.log(`at most ${Math.round(maxHeapBytes / 2 ** 20)} MiB of memory`);
}
if (failure !== undefined) {
  console.error(`${failure.target} failed; to reproduce it: --seed ${seed} --only ${failure.index}`, failure.error);
  process.exitCode = 1;
}

function onProgress(index: number): void {
  current = index;
  if (index > 0 && index % 50_000 === 0) console.error(`${index} inputs, ${seconds().toFixed(0)} s`);
}

function integer(name: string, text: string): number {
  const value = Number(text);
  if (text !== "" && Number.isSafeInteger(value) && value >= 0 && value < 2 ** 32) return value;
  console.error(`--${name}: expected an integer from 0, got ${text}\n${usage}`);
  process.exit(2);
}
