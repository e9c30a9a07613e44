import { styleText } from "node:util";
import type { RunEvent } from "../result.ts";
import type { Display } from "./display.ts";
import { summaryLines } from "./summary.ts";
import { count, eventText, heading, seconds } from "./text.ts";
import type { PodView, RunView } from "./view.ts";

/** What the display needs of a terminal. */
export interface Terminal {
  write(text: string): unknown;
  readonly columns: number;
  readonly rows: number;
}

type Cell = readonly [text: string, style?: Parameters<typeof styleText>[0] | undefined];
type Line = readonly Cell[];

const maxEvents = 6;
const barWidth = 24;
/** Control Sequence Introducer (ECMA-48). */
const csi = "\u001b[";

/** A table that is drawn again in its place, and a summary below it. */
export function liveDisplay(terminal: Terminal): Display {
  let drawn = 0;
  const draw = (lines: readonly Line[]): void => {
    const fitting = lines.slice(0, terminal.rows - 1);
    const up = drawn > 0 ? `${csi}${drawn}A` : "";
    const text = fitting.map((line) => `${render(line, terminal.columns)}${csi}K\n`).join("");
    terminal.write(`${up}\r${text}${csi}J`);
    drawn = fitting.length;
  };
  return {
    intervalMs: 100,
    started: (view) => draw(tableOf(view)),
    event() {}, // the next update shows it
    update: (view) => draw(tableOf(view)),
    finished(result, view) {
      draw(tableOf(view));
      drawn = 0;
      terminal.write(`\n${summaryLines(result).join("\n")}\n\n`);
    },
  };
}

function tableOf({ scenario, options, elapsedMs, perSecond, ok, failed, pods, events }: RunView): readonly Line[] {
  const width = Math.max(...pods.map(({ name }) => name.length));
  const titles = `${"pod".padEnd(width)}  ${"state".padEnd(11)}  ${"connection".padEnd(16)}  ${"share of the last second".padEnd(barWidth + 6)}  ${"RPC/s".padStart(6)}  ${"total".padStart(8)}`;
  return [
    [[heading(scenario, options), "bold"]],
    [
      [`${seconds(elapsedMs)}  ${count(perSecond)} RPC/s  ${count(ok)} ok  `],
      [`${count(failed)} failed`, failed > 0 ? "red" : "green"],
    ],
    [[titles, "dim"]],
    ...pods.map((pod) => podLine(pod, width)),
    ...events.slice(-maxEvents).map((event: RunEvent): Line => [[eventText(event), "dim"]]),
  ];
}

function podLine({ name, phase, connection, share, perSecond, answered }: PodView, width: number): Line {
  const bar = "█".repeat(Math.round(share * barWidth)).padEnd(barWidth, "·");
  const gone = phase === "exited";
  return [
    [`${name.padEnd(width)}  `, gone ? "dim" : undefined],
    [`${phase.padEnd(11)}  `, phase === "ready" ? "green" : gone ? "dim" : "yellow"],
    [`${(connection ?? "-").padEnd(16)}  `, connection === "ready" ? "green" : "dim"],
    [bar, gone ? "dim" : "cyan"],
    [`${`${Math.round(share * 100)} %`.padStart(6)}  ${count(perSecond).padStart(6)}  ${count(answered).padStart(8)}`],
  ];
}

/** No line is longer than the terminal is wide: one that wraps would be drawn at the wrong place the next time. */
function render(line: Line, columns: number): string {
  let left = columns - 1;
  return line
    .map(([text, style]) => {
      const fitting = text.slice(0, Math.max(0, left));
      left -= fitting.length;
      return style === undefined ? fitting : styleText(style, fitting);
    })
    .join("");
}
