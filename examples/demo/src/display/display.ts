import type { RunEvent, RunResult } from "../result.ts";
import type { RunView } from "./view.ts";

/** Shows runs, one after another. */
export interface Display {
  /** How often it wants to be updated. */
  readonly intervalMs: number;
  started(view: RunView): void;
  event(event: RunEvent): void;
  update(view: RunView): void;
  finished(result: RunResult, view: RunView): void;
}
