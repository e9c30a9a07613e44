import type { Case } from "./cases.ts";
import type { ClientName } from "./clients/table.ts";
import { median } from "./statistics.ts";

/** The figures of one round, or the medians of all rounds. */
export interface Figures {
  /** CPU time of the client's process for each unit of the case. */
  readonly cpuUs: number;
  /** Units in a second. */
  readonly rate: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

export interface ClientResult {
  readonly client: ClientName;
  readonly rounds: readonly Figures[];
}

/** A client of which there are no figures. */
export interface Absence {
  readonly client: ClientName;
  /** It cannot do what the case asks for, or it failed. */
  readonly kind: "skipped" | "failed";
  /** A sentence that names the client. */
  readonly reason: string;
}

export interface CaseResult {
  readonly case: Case;
  readonly clients: readonly ClientResult[];
  readonly absences: readonly Absence[];
}

export function medians({ rounds }: ClientResult): Figures {
  return {
    cpuUs: median(rounds.map((round) => round.cpuUs)),
    rate: median(rounds.map((round) => round.rate)),
    p50Us: median(rounds.map((round) => round.p50Us)),
    p99Us: median(rounds.map((round) => round.p99Us)),
  };
}

/** The median of the ratios of each round; `undefined` unless both clients have figures. */
export function medianRatio(
  { clients }: CaseResult,
  client: ClientName,
  against: ClientName,
  metric: keyof Figures,
): number | undefined {
  const own = clients.find((each) => each.client === client);
  const other = clients.find((each) => each.client === against);
  if (own === undefined || other === undefined) return undefined;
  return median(own.rounds.map((round, index) => round[metric] / (other.rounds[index]?.[metric] ?? Number.NaN)));
}
