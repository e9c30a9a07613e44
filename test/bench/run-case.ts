import type { Case } from "./cases.ts";
import { Child } from "./child.ts";
import { type ClientName, clients } from "./clients/table.ts";
import type { ClientJob, Ports, ProxyJob, ServerJob } from "./messages.ts";
import type { Absence, CaseResult, Figures } from "./result.ts";

const serverProgram = new URL("./server/server.ts", import.meta.url);
const proxyProgram = new URL("./proxy/proxy.ts", import.meta.url);
const clientProgram = new URL("./clients/worker.ts", import.meta.url);

interface Contestant {
  readonly client: ClientName;
  readonly child: Child;
  readonly rounds: Figures[];
}

/**
 * Runs a case with processes of its own: all clients take their first round, then their second, and so on. A client
 * that fails is out of the case.
 *
 * Rejects with an `Error` when the endpoints cannot be started.
 */
export async function runCase(which: Case, names: readonly ClientName[], rounds: number): Promise<CaseResult> {
  const children: Child[] = [];
  const absences: Absence[] = [];
  let contestants: Contestant[] = [];

  async function start(name: string, program: URL, job: object): Promise<{ child: Child; ports: Ports | undefined }> {
    const { child, ready } = await Child.start(name, program, job);
    children.push(child);
    return { child, ports: ready.ports };
  }

  /** Starts a client, where it can do what the case asks for. */
  async function enter(client: ClientName, port: number): Promise<Contestant | undefined> {
    const { operation, answer } = which;
    const reason = clients[client].lacks?.[operation];
    if (reason !== undefined) {
      absences.push({ client, kind: "skipped", reason: `${client} skipped: ${reason}` });
      return undefined;
    }
    try {
      const { child } = await start(client, clientProgram, { client, operation, answer, port } satisfies ClientJob);
      return { client, child, rounds: [] };
    } catch (error) {
      drop(client, error);
      return undefined;
    }
  }

  /** Runs a round of each client that is left. */
  async function round(
    ms: number,
    cpuMs: number,
    note: (contestant: Contestant, figures: Figures) => void,
  ): Promise<void> {
    for (const contestant of contestants) {
      try {
        const { units, elapsedMs, cpuUs, p50Us, p99Us } = await contestant.child.run({
          concurrency: which.concurrency,
          ms,
          cpuMs,
        });
        note(contestant, { cpuUs: cpuUs / units, rate: (units * 1_000) / elapsedMs, p50Us, p99Us });
      } catch (error) {
        drop(contestant.client, error);
      }
    }
  }

  function drop(client: ClientName, error: unknown): void {
    contestants = contestants.filter((each) => each.client !== client);
    absences.push({ client, kind: "failed", reason: error instanceof Error ? error.message : String(error) });
  }

  try {
    let ports = (await start("server", serverProgram, { answer: which.answer } satisfies ServerJob)).ports as Ports;
    if (which.addedMs > 0) {
      const job: ProxyJob = { to: ports, addedMs: which.addedMs };
      ports = (await start("proxy", proxyProgram, job)).ports as Ports;
    }
    const entered = await Promise.all(names.map((client) => enter(client, ports[clients[client].protocol])));
    contestants = entered.filter((each) => each !== undefined);
    if (which.warmUpMs !== undefined) await round(which.warmUpMs, which.warmUpMs, () => {});
    for (let count = 0; count < rounds; count++) {
      await round(which.roundMs, 0, (contestant, figures) => contestant.rounds.push(figures));
    }
    return { case: which, clients: contestants, absences };
  } finally {
    await Promise.all(children.map((child) => child.close()));
  }
}
