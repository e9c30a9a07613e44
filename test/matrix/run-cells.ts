import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Cluster, describeExit, startCluster } from "@evenkeel/testing";
import { type Cell, type Setup, servers } from "./cells.ts";
import { ClientProcess } from "./client-process.ts";
import { Ledger } from "./ledger.ts";
import type { ClientJob, ClientReport } from "./messages.ts";
import { type Absence, type CellResult, resultOf } from "./result.ts";

const podModule = new URL("./servers/pod.ts", import.meta.url);
const pods = 3;
const concurrency = 64;
/** From a change of a pod until DNS and the virtual IP know it; less than its readiness delay. */
const propagationMs = 50;
/** No cell takes longer, however slow the machine. */
const limitMs = 120_000;
/** A cell has no more RPCs: keys are 32 bits wide. */
const keysPerCell = 10_000_000;

let cells = 0;

/**
 * Starts a cluster, and runs its cells one after another, for each `rpcs` charges or more. Pods write into `folder`.
 * Rejects with an `Error` when the cluster does not start. `onEnd` is told of each cell.
 */
export async function runCells(
  setup: Setup,
  cells: readonly Cell[],
  rpcs: number,
  folder: string,
  onEnd: (result: CellResult | Absence) => void,
): Promise<void> {
  const { server: SERVER, event: EVENT, retire: RETIRE } = setup;
  const ledger = new Ledger(join(folder, `${SERVER}-${EVENT}-${RETIRE}`));
  await writeFile(ledger.file, "");
  await using cluster = await startCluster({
    pod: { module: podModule, env: { SERVER, EVENT, RETIRE, LEDGER: ledger.file } },
    size: pods,
    propagationMs,
  });
  const deaths = watchDeaths(cluster);
  const dns = await cluster.startDns({ ttlSeconds: propagationMs / 1_000 });
  const virtualIp = await cluster.startVirtualIp();
  for (const cell of cells) {
    const job: Omit<ClientJob, "firstKey"> = {
      client: cell.client,
      tls: servers[cell.server].tls,
      host: cluster.host,
      port: cluster.port,
      dns: dns.address,
      virtualPort: virtualIp.port,
      concurrency,
      rpcs,
    };
    onEnd(await runCell(cell, job, cluster, ledger, deaths));
  }
}

async function runCell(
  cell: Cell,
  job: Omit<ClientJob, "firstKey">,
  cluster: Cluster,
  ledger: Ledger,
  deaths: string[],
): Promise<CellResult | Absence> {
  const firstKey = cells++ * keysPerCell;
  const client = new ClientProcess({ ...job, firstKey });
  try {
    await client.ready();
    const report = await runLoad(cell, client, cluster);
    return resultOf(cell, firstKey, report, await ledger.readNew(), deaths.splice(0));
  } catch (error) {
    return { cell, reason: error instanceof Error ? error.message : String(error) };
  } finally {
    await client.close();
  }
}

async function runLoad({ event }: Cell, client: ClientProcess, cluster: Cluster): Promise<ClientReport> {
  const enough = client.run(limitMs);
  const events = event === "rolling" ? cluster.rollingRestart() : Promise.resolve();
  await Promise.all([enough, events]);
  return await client.finish();
}

/** Pods that ended in a way that nobody asked for, and what pods have written. */
function watchDeaths(cluster: Cluster): string[] {
  const deaths: string[] = [];
  cluster.on((event) => {
    if (event.kind !== "exited") return;
    const { pod, exit } = event;
    const isOrdered = exit.kind === "code" && exit.code === 0;
    if (!isOrdered || pod.output !== "") deaths.push(`${pod.name} ${describeExit(exit)}: ${pod.output.trim()}`);
  });
  return deaths;
}
