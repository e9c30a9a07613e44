import { flushCompileCache } from "node:module";
import type { ClientJob, Order, Reply } from "../messages.ts";
import { Load, messageOf } from "./load.ts";
import { factories } from "./table.ts";

// One client in a process of its own. It ends with the process that started it.
const uncaught: string[] = [];
process.on("disconnect", () => process.exit());
process.on("SIGINT", () => {}); // of the terminal, for the whole group: the parent ends its children
process.on("uncaughtException", (error) => uncaught.push(messageOf(error))); // unhandled rejections, too

function tell(reply: Reply): void {
  process.send?.(reply);
}

try {
  const job = JSON.parse(process.argv[2] ?? "null") as ClientJob;
  const open = await factories[job.client]();
  const load = new Load(open(job), job);
  process.on("message", (order: Order) => {
    if (order === "finish") load.finish();
    else void load.run(() => tell({ kind: "enough" })).then((report) => tell({ ...report, uncaught }));
  });
  flushCompileCache(); // for the next one: this one is killed
  tell({ kind: "ready" });
} catch (error) {
  tell({ kind: "failed", reason: messageOf(error) });
}
