import { type ClientName, callers, clientNames, serverNames, servers } from "./cells.ts";
import type { CellResult } from "./result.ts";

/** A target, and what became of it. */
export interface Finding {
  readonly what: string;
  /** `open`: there is too little to tell by. */
  readonly outcome: "met" | "missed" | "open";
  /** Whether the exit code depends on it: what stock clients lose by themselves is told, and no more. */
  readonly decides: boolean;
}

/** grpc-js sends a refused RPC once more. What is refused twice, it loses: so many of 20 000 at most. */
const grpcJsLimit = 10;
const grpcJsPer = 20_000;
/** The share of its one-phase losses that grpc-js may have in two phases. */
const grpcJsShare = 0.1;
/** With fewer losses in one phase, one unlucky retirement in two phases decides: it loses up to 20 at once. */
const tellingLosses = 100;

/**
 * What connect-node may lose out of its own queue: up to 192 RPCs, three times all 64 that are under way, were seen in
 * runs of 20 retirements.
 */
const queueLossesPerRun = 192;
const retirementsPerRun = 20;

/** RPCs that connect-node had not sent when it read the GOAWAY, by what node says of them. */
const ownQueue = ["NGHTTP2_REFUSED_STREAM", "write ECANCELED", "received GOAWAY without any open streams"];

/** What node says of responses that have arrived, whatever else happens: nodejs/node#65677, since 24.20 and 26.3. */
const nodeDefect = "Premature close";

/** The targets of the cells that ran. */
export function findingsOf(results: readonly CellResult[]): readonly Finding[] {
  const ours = results.filter(({ cell }) => callers[cell.client] === "evenkeel");
  const twoPhase = results.filter(({ cell }) => cell.retire === "two-phase" && cell.event !== "none");
  const of = (client: ClientName): CellResult[] => twoPhase.filter(({ cell }) => cell.client === client);
  const grpcJsClients = clientNames.filter((client) => callers[client] === "grpc-js");
  return [
    ...group(twoPhase, "evenkeel in two phases: no RPC fails", ({ cell, failed }) => {
      return callers[cell.client] !== "evenkeel" || failed === 0;
    }),
    ...group(ours, "evenkeel: no charge is executed twice, or answered and not executed", (result) => {
      return result.executedTwice === 0 && result.unexecuted === 0;
    }),
    ...group(of("connect-node-h1"), "connect-node over HTTP/1.1 in two phases: no RPC fails", ({ failed }) => {
      return failed === 0;
    }),
    ...grpcJsClients.flatMap((client) => [...of(client).map(grpcJsFinding), ...grpcJsShares(results, client)]),
    ...of("connect-node-grpc").map(connectNodeFinding),
  ];
}

/** One finding of all results that are meant; those that miss it are named. */
function group(results: readonly CellResult[], what: string, isMet: (result: CellResult) => boolean): Finding[] {
  if (results.length === 0) return [];
  const missed = results.filter((result) => !isMet(result)).map(({ cell }) => `${cell.server} ${cell.client}`);
  const where = missed.length === 0 ? "" : ` (${missed.join(", ")})`;
  return [{ what: `${what}${where}`, outcome: missed.length === 0 ? "met" : "missed", decides: true }];
}

function grpcJsFinding({ cell, failed, rpcs }: CellResult): Finding {
  const rate = (failed * grpcJsPer) / rpcs;
  const { client, server, event } = cell;
  const what = `${client}, ${server}, ${event}: ${rate.toFixed(1)} of ${grpcJsPer}, at most ${grpcJsLimit}`;
  return { what, outcome: rate <= grpcJsLimit ? "met" : "missed", decides: false };
}

/** On each server of grpc-js, and on all servers. */
function grpcJsShares(results: readonly CellResult[], client: ClientName): Finding[] {
  const cells = results.filter(({ cell }) => cell.client === client && cell.event !== "none");
  const own = serverNames.filter((server) => servers[server].library === "grpc-js");
  return [
    ...own.flatMap((server) =>
      shareFinding(
        `${client}, ${server}`,
        cells.filter(({ cell }) => cell.server === server),
      ),
    ),
    ...shareFinding(`${client}, all cells`, cells),
  ];
}

/** Over the pairs of cells of which both ran. */
function shareFinding(where: string, cells: readonly CellResult[]): Finding[] {
  const pairs = cells.flatMap((two) => {
    const isOther = ({ cell }: CellResult) => cell.server === two.cell.server && cell.event === two.cell.event;
    const one = cells.find((each) => each.cell.retire === "one-phase" && isOther(each));
    return two.cell.retire === "one-phase" || one === undefined ? [] : [{ two, one }];
  });
  if (pairs.length === 0) return [];
  const sum = (value: (pair: (typeof pairs)[number]) => number) =>
    pairs.reduce((total, each) => total + value(each), 0);
  const two = sum((pair) => pair.two.failed);
  const one = sum((pair) => pair.one.failed);
  const what = `${where}: ${two} lost in two phases, ${one} in one`;
  if (one < tellingLosses && two <= one) {
    return [{ what: `${what}: too few to compare`, outcome: "open", decides: false }];
  }
  const share = sum((pair) => pair.two.failed / pair.two.rpcs) / sum((pair) => pair.one.failed / pair.one.rpcs);
  const limit = `at most ${percent(grpcJsShare)}`;
  return [
    {
      what: one === 0 ? `${what}, ${limit}` : `${what}: ${percent(share)}, ${limit}`,
      outcome: share <= grpcJsShare ? "met" : "missed",
      decides: false,
    },
  ];
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function connectNodeFinding({ cell, errors, failed, retired }: CellResult): Finding {
  const count = (isMeant: (message: string) => boolean): number =>
    Object.entries(errors).reduce((sum, [message, times]) => sum + (isMeant(message) ? times : 0), 0);
  const queue = count((message) => ownQueue.some((part) => message.includes(part)));
  const defect = count((message) => message.includes(nodeDefect));
  const limit = queueLossesPerRun * Math.max(1, Math.ceil(retired / retirementsPerRun));
  const others = failed - queue - defect;
  const also = defect === 0 ? "" : `; ${defect} answers dropped by nodejs/node#65677`;
  const what =
    `connect-node, ${cell.server}, ${cell.event}: ${queue} out of its own queue in ${retired} retirements, ` +
    `at most ${limit}${also}; ${others} others, at most 0`;
  return { what, outcome: queue <= limit && others === 0 ? "met" : "missed", decides: false };
}
