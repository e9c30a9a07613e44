import type { Cell } from "./cells.ts";
import type { Notes } from "./ledger.ts";
import type { ClientReport } from "./messages.ts";
import { normalized } from "./normalized.ts";

/** What came of a cell. */
export interface CellResult {
  readonly cell: Cell;
  readonly rpcs: number;
  readonly failed: number;
  /** Messages of the RPCs that failed, without what differs from one to the next, and how often each came. */
  readonly errors: Readonly<Record<string, number>>;
  /** RPCs that failed and were executed: the answer was lost, not the request. */
  readonly failedExecuted: number;
  /** Charges that a pod, or two, executed more than once. */
  readonly executedTwice: number;
  /** Charges that were answered and not executed. */
  readonly unexecuted: number;
  /** Connections that were retired; of a one-phase restart, servers. */
  readonly retired: number;
  /** What else should not be: errors that no caller was told of, output of pods. */
  readonly remarks: readonly string[];
}

/** A cell of which there are no figures. */
export interface Absence {
  readonly cell: Cell;
  readonly reason: string;
}

export function resultOf(
  cell: Cell,
  firstKey: number,
  report: ClientReport,
  notes: Notes,
  remarks: readonly string[],
): CellResult {
  const lost = new Set(report.losses.map(({ key }) => key));
  const errors: Record<string, number> = {};
  for (const { message } of report.losses) {
    const name = normalized(message);
    errors[name] = (errors[name] ?? 0) + 1;
  }
  let executedTwice = 0;
  let unexecuted = 0;
  let failedExecuted = 0;
  for (let key = firstKey; key < firstKey + report.rpcs; key++) {
    const times = notes.executions.get(key) ?? 0;
    if (times > 1) executedTwice++;
    if (times === 0 && !lost.has(key)) unexecuted++;
    if (times > 0 && lost.has(key)) failedExecuted++;
  }
  return {
    cell,
    rpcs: report.rpcs,
    failed: report.losses.length,
    errors,
    failedExecuted,
    executedTwice,
    unexecuted,
    retired: notes.retired,
    remarks: [...report.uncaught.map((message) => `uncaught: ${message}`), ...remarks],
  };
}
