import { Child } from "../child.ts";
import { channelRow, channelSizes, pickPolicies, pickRounds, pickSizes } from "./cases.ts";
import type { PickJob, PickOrder } from "./messages.ts";
import { type PickRow, pickJson, pickTable } from "./report.ts";

const program = new URL("./worker.ts", import.meta.url);

/** Each policy in a process of its own, one after another. Writes as it goes, or at the end. */
export async function runPickCase(rounds: number = pickRounds, json: boolean): Promise<void> {
  const rows: PickRow[] = [];
  const contestants = [
    ...pickPolicies.map(({ name, target }) => ({ name, target, sizes: pickSizes })),
    { name: channelRow, target: undefined, sizes: channelSizes },
  ];
  for (const { name, target, sizes } of contestants) {
    const { child } = await Child.start(`pick ${name}`, program, { name } satisfies PickJob);
    try {
      for (const endpoints of sizes) {
        const { nsPerPick, nsPerReport } = await child.ask({ endpoints, rounds } satisfies PickOrder, "picks");
        const row: PickRow = { policy: name, target, endpoints, nsPerPick, nsPerReport };
        rows.push(row);
        if (json) process.stdout.write(pickJson(row));
      }
    } finally {
      await child.close();
    }
  }
  if (!json) process.stdout.write(pickTable(rows));
}
