import { idleVariants, pluginCases, pluginRounds, type ServerCaseName } from "./cases.ts";
import { idleJson, idleTable, pluginJson, pluginTable } from "./report.ts";
import { type IdleResult, runIdleCase } from "./run-idle.ts";
import { type PluginResult, runPluginCase } from "./run-plugin.ts";

/** Runs a case and prints what it measures. Rejects with an `Error` when a program of it fails. */
export async function runServerCase(name: ServerCaseName, rounds: number | undefined, json: boolean): Promise<void> {
  const print = (text: string): void => void process.stdout.write(text);
  if (name === "server-plugin") {
    const results: PluginResult[] = [];
    for (const each of pluginCases) {
      const result = await runPluginCase(each, rounds ?? pluginRounds);
      if (json) print(pluginJson(result));
      results.push(result);
    }
    if (!json) print(pluginTable(results));
    return;
  }
  const results: IdleResult[] = [];
  for (const variant of idleVariants) {
    const result = await runIdleCase(variant);
    if (json) print(idleJson(result));
    results.push(result);
  }
  if (!json) print(idleTable(results));
}
