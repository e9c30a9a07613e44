import { clients } from "./cells.ts";
import type { CellResult } from "./result.ts";

/** A target, and what became of it. */
export interface Finding {
  readonly what: string;
  readonly met: boolean;
  /** Whether the exit code depends on it: what stock clients lose by themselves is told, and no more. */
  readonly decides: boolean;
}

/** grpc-js sends a refused RPC once more. What is refused twice, it loses: so many of 20 000 at most. */
const grpcJsLimit = 10;
const grpcJsPer = 20_000;
/** The share of its one-phase losses that grpc-js may have in two phases, over all cells. */
const grpcJsShare = 0.1;

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
  const ours = results.filter(({ cell }) => clients[cell.client].isOurs);
  const twoPhase = results.filter(({ cell }) => cell.retire === "two-phase" && cell.event !== "none");
  const of = (client: string): CellResult[] => twoPhase.filter(({ cell }) => cell.client === client);
  return [
    ...group(twoPhase, "evenkeel in two phases: no RPC fails", ({ cell, failed }) => {
      return !clients[cell.client].isOurs || failed === 0;
    }),
    ...group(ours, "evenkeel: no charge is executed twice, or answered and not executed", (result) => {
      return result.executedTwice === 0 && result.unexecuted === 0;
    }),
    ...group(of("connect-node-h1"), "connect-node over HTTP/1.1 in two phases: no RPC fails", ({ failed }) => {
      return failed === 0;
    }),
    ...of("grpc-js-rr").map(grpcJsFinding),
    ...grpcJsTotal(results),
    ...of("connect-node-grpc").map(connectNodeFinding),
  ];
}

/** One finding of all results that are meant; those that miss it are named. */
function group(results: readonly CellResult[], what: string, isMet: (result: CellResult) => boolean): Finding[] {
  if (results.length === 0) return [];
  const missed = results.filter((result) => !isMet(result)).map(({ cell }) => `${cell.server} ${cell.client}`);
  const where = missed.length === 0 ? "" : ` (${missed.join(", ")})`;
  return [{ what: `${what}${where}`, met: missed.length === 0, decides: true }];
}

function grpcJsFinding({ cell, failed, rpcs }: CellResult): Finding {
  const rate = (failed * grpcJsPer) / rpcs;
  const what = `grpc-js, ${cell.server}, ${cell.event}: ${rate.toFixed(1)} of ${grpcJsPer}, at most ${grpcJsLimit}`;
  return { what, met: rate <= grpcJsLimit, decides: false };
}

/** Over the pairs of cells of which both ran. */
function grpcJsTotal(results: readonly CellResult[]): Finding[] {
  const cells = results.filter(({ cell }) => cell.client === "grpc-js-rr" && cell.event !== "none");
  let two = 0;
  let one = 0;
  let pairs = 0;
  for (const each of cells.filter(({ cell }) => cell.retire === "two-phase")) {
    const other = cells.find(
      ({ cell }) => cell.retire === "one-phase" && cell.server === each.cell.server && cell.event === each.cell.event,
    );
    if (other === undefined) continue;
    pairs++;
    two += each.failed / each.rpcs;
    one += other.failed / other.rpcs;
  }
  if (pairs === 0) return [];
  const share = one === 0 ? Number(two > 0) : two / one;
  const percent = (value: number): string => `${(100 * value).toFixed(1)} %`;
  const what = `grpc-js, all cells: ${percent(share)} of its one-phase losses, at most ${percent(grpcJsShare)}`;
  return [{ what, met: share <= grpcJsShare, decides: false }];
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
  return { what, met: queue <= limit && others === 0, decides: false };
}
