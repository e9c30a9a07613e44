import { host } from "./children.ts";

/** Has something ended with the check, in reverse order. */
export type Use = (end: () => void | Promise<void>) => void;

/** What is checked; it has failed when it rejects, or takes longer than its time. May answer with a remark. */
export type Body = (use: Use) => Promise<string | undefined>;

export interface CheckOptions {
  /** Default 20 000. */
  readonly timeoutMs?: number;
}

export type RunCheck = (name: string, body: Body, options?: CheckOptions) => Promise<void>;

/** The checks of one peer. */
export interface Suite {
  /** Suites of one group have their results in one table. */
  readonly group: string;
  readonly peer: string;
  /** Starts the peer, makes the checks, and ends it. */
  run(check: RunCheck): Promise<void>;
}

export interface Result {
  readonly group: string;
  readonly peer: string;
  readonly check: string;
  readonly ms: number;
  readonly remark: string | undefined;
  readonly error: unknown;
}

/** Makes the checks of a suite one after the other, and tells of each when it has ended. */
export async function runSuite({ group, peer, run }: Suite, tell: (result: Result) => void): Promise<void> {
  const told = async (check: string, body: Body, timeoutMs: number): Promise<void> => {
    const startedAt = performance.now();
    let remark: string | undefined;
    let error: unknown;
    try {
      remark = await bounded(body, timeoutMs);
    } catch (cause) {
      error = cause ?? new Error("rejected with nothing");
    }
    tell({ group, peer, check, ms: performance.now() - startedAt, remark, error });
  };
  try {
    await run((check, body, { timeoutMs = 20_000 } = {}) => told(check, body, timeoutMs));
  } catch (error) {
    tell({ group, peer, check: "start", ms: 0, remark: undefined, error });
  }
}

async function bounded(body: Body, timeoutMs: number): Promise<string | undefined> {
  const ends: (() => void | Promise<void>)[] = [];
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`not done after ${timeoutMs} ms`)), timeoutMs);
  try {
    return await Promise.race([body((end) => ends.push(end)), late.promise]);
  } finally {
    clearTimeout(timer);
    for (const end of ends.reverse()) await end();
  }
}

/** Calls `task` `count` times, at most `width` at once; answers with what failed. */
export async function inParallel(
  count: number,
  width: number,
  task: (index: number) => Promise<unknown>,
): Promise<readonly unknown[]> {
  const failures: unknown[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < count) {
      const index = next++;
      try {
        await task(index);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: width }, work));
  return failures;
}

/** Throws an `Error` that counts the failures by what they say. */
export function expectNone(failures: readonly unknown[], of: number): void {
  if (failures.length === 0) return;
  const counts = new Map<string, number>();
  for (const failure of failures) {
    const text = describe(failure);
    counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  const texts = [...counts].map(([text, count]) => `${count} × ${text}`).slice(0, 5);
  throw new Error(`${failures.length} of ${of} failed: ${texts.join("; ")}`);
}

/** One line, without the numbers that differ from run to run. */
function describe(failure: unknown): string {
  return String(failure)
    .replaceAll(/connection \d+/g, "connection")
    .replaceAll(new RegExp(`${host.replaceAll(".", "\\.")}:\\d+`, "g"), "the peer")
    .replaceAll(/stream \d+/g, "a stream")
    .replaceAll("\n", " ");
}
