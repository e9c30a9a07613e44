import { Child } from "../child.ts";
import { type PluginCase, roundsPerProcess, type Variant } from "./cases.ts";
import type { CostServerJob, DriverJob } from "./messages.ts";

const serverProgram = new URL("./server.ts", import.meta.url);
const driverProgram = new URL("./driver.ts", import.meta.url);

export interface PluginResult {
  readonly case: PluginCase;
  /** The server's CPU time for each RPC in microseconds, of each round. */
  readonly rounds: ReadonlyMap<Variant, readonly number[]>;
}

interface Contestant {
  readonly variant: Variant;
  readonly server: Child;
  readonly driver: Child;
}

/**
 * Measures the variants of a server in turn, each with processes of its own, which are replaced every few rounds.
 *
 * Rejects with an `Error` when one of them fails.
 */
export async function runPluginCase(which: PluginCase, rounds: number): Promise<PluginResult> {
  const measured = new Map<Variant, number[]>(which.variants.map((variant) => [variant, []]));
  for (let done = 0; done < rounds; done += roundsPerProcess) {
    const children: Child[] = [];
    try {
      const contestants = await Promise.all(which.variants.map((variant) => start(which, variant, children)));
      for (const contestant of contestants) await measure(contestant, which.warmUpRpcs);
      for (let round = 0; round < Math.min(roundsPerProcess, rounds - done); round++) {
        for (const [variant, cpuUs] of await runRound(contestants, which.rpcsPerHalf))
          measured.get(variant)?.push(cpuUs);
      }
    } finally {
      await Promise.all(children.map((child) => child.close()));
    }
  }
  return { case: which, rounds: measured };
}

async function start({ server: kind }: PluginCase, variant: Variant, children: Child[]): Promise<Contestant> {
  const name = `${kind} ${variant}`;
  const server = await Child.start(name, serverProgram, { server: kind, variant } satisfies CostServerJob);
  children.push(server.child);
  const job: DriverJob = { server: kind, port: server.ready.port ?? 0 };
  const driver = await Child.start(`driver of ${name}`, driverProgram, job);
  children.push(driver.child);
  return { variant, server: server.child, driver: driver.child };
}

/** All in turn, and all again in the opposite order: each is as often the first as it is the last. */
async function runRound(contestants: readonly Contestant[], rpcsPerHalf: number): Promise<Map<Variant, number>> {
  const sums = new Map<Variant, number>();
  for (const contestant of [...contestants, ...contestants.toReversed()]) {
    const cpuUs = (await measure(contestant, rpcsPerHalf)) / 2;
    sums.set(contestant.variant, (sums.get(contestant.variant) ?? 0) + cpuUs);
  }
  return sums;
}

/** The server's CPU time for each RPC, in microseconds. */
async function measure({ server, driver }: Contestant, rpcs: number): Promise<number> {
  const before = await server.ask({ collect: false }, "usage");
  await driver.ask({ rpcs }, "driven");
  const after = await server.ask({ collect: false }, "usage");
  return (after.cpuUs - before.cpuUs) / rpcs;
}
