import { setTimeout as sleep } from "node:timers/promises";
import { Child } from "../child.ts";
import { idleConnections, idleMs, type Variant } from "./cases.ts";
import type { CostServerJob, OpenerJob, Usage } from "./messages.ts";

const serverProgram = new URL("./server.ts", import.meta.url);
const openerProgram = new URL("./opener.ts", import.meta.url);

/** Opened and closed before, so that the code for them is there. */
const warmUpConnections = 500;
/** Each opens its share: file descriptors are limited. */
const openers = 2;
/** From the last connection until the first sample, and until connections of the warm-up are gone. */
const settleMs = 1_000;

export interface IdleResult {
  readonly variant: Variant;
  readonly connections: number;
  readonly rssBytesPerConnection: number;
  readonly heapBytesPerConnection: number;
  readonly idleMs: number;
  /** The server's CPU time while nothing happened. */
  readonly idleCpuMs: number;
}

/** Opens connections to a server of its own, and leaves them alone. Rejects with an `Error` when that fails. */
export async function runIdleCase(variant: Variant): Promise<IdleResult> {
  const children: Child[] = [];
  try {
    const job: CostServerJob = { server: "h2c", variant };
    const { child: server, ready } = await Child.start(variant, serverProgram, job, ["--expose-gc"]);
    children.push(server);
    const port = ready.port ?? 0;
    await (await open(port, warmUpConnections)).close();
    await sleep(settleMs);
    const before = await usageOf(server, 0);
    const share = idleConnections / openers;
    children.push(...(await Promise.all(Array.from({ length: openers }, () => open(port, share)))));
    await sleep(settleMs);
    const after = await usageOf(server, idleConnections);
    await sleep(idleMs);
    const later = await server.ask({ collect: false }, "usage");
    return {
      variant,
      connections: idleConnections,
      rssBytesPerConnection: (after.rssBytes - before.rssBytes) / idleConnections,
      heapBytesPerConnection: (after.heapBytes - before.heapBytes) / idleConnections,
      idleMs,
      idleCpuMs: (later.cpuUs - after.cpuUs) / 1_000,
    };
  } finally {
    await Promise.all(children.map((child) => child.close()));
  }
}

async function open(port: number, connections: number): Promise<Child> {
  const { child } = await Child.start("opener", openerProgram, { port, connections } satisfies OpenerJob);
  return child;
}

/** Rejects when the server has another number of connections than it should. */
async function usageOf(server: Child, connections: number): Promise<Usage> {
  const usage = await server.ask({ collect: true }, "usage");
  if (usage.connections === connections) return usage;
  throw new Error(`expected ${connections} connections, got ${usage.connections}`);
}
