import type { Round, RunRound } from "../messages.ts";
import { quantile } from "../statistics.ts";
import type { Caller } from "./client.ts";

/** On a busy machine a round lasts up to so many times as long, to get its CPU time. */
const patience = 8;

/** Measures a round. Rejects when an RPC fails: errors must not look fast. */
export async function runRound(call: Caller, { concurrency, ms, cpuMs }: RunRound): Promise<Round> {
  const latencies: number[] = [];
  let units = 0;
  const cpu = process.cpuUsage();
  const start = performance.now();
  const end = start + ms;

  function isOver(now: number): boolean {
    if (now < end) return false;
    if (cpuMs === 0 || now > start + patience * ms) return true;
    const { user, system } = process.cpuUsage(cpu);
    return user + system >= cpuMs * 1_000;
  }

  async function callAgainAndAgain(): Promise<void> {
    let now = performance.now();
    do {
      const sent = now;
      const received = await call();
      units += received;
      now = performance.now();
      latencies.push(now - sent);
    } while (!isOver(now));
  }

  await Promise.all(Array.from({ length: concurrency }, callAgainAndAgain));
  const elapsedMs = performance.now() - start;
  const { user, system } = process.cpuUsage(cpu);
  const sorted = Float64Array.from(latencies).sort();
  return {
    kind: "round",
    rpcs: latencies.length,
    units,
    elapsedMs,
    cpuUs: user + system,
    p50Us: quantile(sorted, 0.5) * 1_000,
    p99Us: quantile(sorted, 0.99) * 1_000,
  };
}
