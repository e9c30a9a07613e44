/** What was measured of a policy with a number of endpoints. */
export interface PickRow {
  readonly policy: string;
  /** Nanoseconds; `undefined`: there is none. */
  readonly target: number | undefined;
  readonly endpoints: number;
  readonly nsPerPick: number;
  /** `null`: the policy takes no outcomes. */
  readonly nsPerReport: number | null;
}

/** A JSON document of one line. */
export function pickJson({ policy, endpoints, nsPerPick, nsPerReport }: PickRow): string {
  const row = { case: "pick", policy, endpoints, nsPerPick: rounded(nsPerPick), nsPerReport: rounded(nsPerReport) };
  return `${JSON.stringify(row)}\n`;
}

/** A line for each policy, a column for each number of endpoints. */
export function pickTable(rows: readonly PickRow[]): string {
  const sizes = [...new Set(rows.map(({ endpoints }) => endpoints))];
  const policies = [...new Set(rows.map(({ policy }) => policy))];
  const width = Math.max(...policies.map(({ length }) => length), "policy".length);
  const lines = [
    "pick: nanoseconds a pick (and a report), by the number of endpoints",
    ["policy".padEnd(width), ...sizes.map((size) => String(size).padStart(12)), "  target"].join(""),
  ];
  for (const policy of policies) {
    const own = rows.filter((row) => row.policy === policy);
    const cells = sizes.map((size) => cell(own.find(({ endpoints }) => endpoints === size)).padStart(12));
    lines.push([policy.padEnd(width), ...cells, `  ${verdict(own)}`].join("").trimEnd());
  }
  return [...lines, "", ""].join("\n");
}

function cell(row: PickRow | undefined): string {
  if (row === undefined) return "–";
  const { nsPerPick, nsPerReport } = row;
  return nsPerReport === null ? `${nsPerPick.toFixed(0)}` : `${nsPerPick.toFixed(0)} (${nsPerReport.toFixed(0)})`;
}

function verdict(rows: readonly PickRow[]): string {
  const target = rows[0]?.target;
  if (target === undefined) return "";
  const missed = rows.filter(({ nsPerPick }) => nsPerPick > target).map(({ endpoints }) => endpoints);
  return `≤ ${target}: ${missed.length === 0 ? "met" : `missed at ${missed.join(", ")}`}`;
}

/** To a tenth. */
function rounded(value: number | null): number | null {
  return value === null ? null : Math.round(value * 10) / 10;
}
