import type { Display } from "./display/display.ts";
import { silent } from "./display/silent.ts";
import { allScenarios, checkCombination, type DemoOptions, defaultOptions, type ScenarioName } from "./options.ts";
import type { DemoResult, RunResult } from "./result.ts";
import { runScenario } from "./run-scenario.ts";

export interface RunDemoContext {
  /** Shows what happens. Default: nothing does. */
  readonly display?: Display;
  /** Ends the demo: `runDemo` then rejects with its reason, after everything is closed. */
  readonly signal?: AbortSignal;
}

/**
 * Runs the scenarios one after another, each on a cluster of its own. RPCs that fail are part of the result.
 *
 * Rejects with an `Error` when a cluster cannot be brought into the state that a scenario asks for, and with a
 * `UsageError` when options do not go together, or this machine cannot have the network.
 */
export async function runDemo(options: Partial<DemoOptions> = {}, context: RunDemoContext = {}): Promise<DemoResult> {
  const settings: DemoOptions = { ...defaultOptions, ...options };
  checkCombination(settings);
  const { display = silent, signal = new AbortController().signal } = context;
  const scenarios: readonly ScenarioName[] = settings.scenario === "all" ? allScenarios : [settings.scenario];
  const runs: RunResult[] = [];
  for (const scenario of scenarios) runs.push(await runScenario(scenario, settings, display, signal));
  return { runs };
}
