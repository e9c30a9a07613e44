import type { Display } from "./display.ts";
import { summaryLines } from "./summary.ts";
import { count, eventText, heading, seconds } from "./text.ts";
import type { RunView } from "./view.ts";

/** A line for every second and every event, and a summary. */
export function plainDisplay(print: (line: string) => void): Display {
  return {
    intervalMs: 1_000,
    started: ({ scenario, options }) => print(heading(scenario, options)),
    event: (event) => print(eventText(event)),
    update: (view) => print(secondText(view)),
    finished(result) {
      for (const line of ["", ...summaryLines(result), ""]) print(line);
    },
  };
}

function secondText({ elapsedMs, perSecond, ok, failed, pods }: RunView): string {
  const shares = pods
    .filter(({ phase, perSecond }) => phase !== "exited" || perSecond > 0)
    .map(({ name, share, connection }) => `${name} ${Math.round(share * 100)} % ${connection ?? "-"}`);
  const totals = `${count(perSecond)} RPC/s, ${count(ok)} ok, ${count(failed)} failed`;
  return `${seconds(elapsedMs).padStart(7)}  ${totals} | ${shares.join(", ")}`;
}
