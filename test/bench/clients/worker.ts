import type { ClientJob, RunRound } from "../messages.ts";
import { fail, jobOfProgram, runProgram, tell } from "../program.ts";
import { runRound } from "./round.ts";
import { clients } from "./table.ts";

// One client in a process of its own: it runs a round whenever it is told to.
await runProgram(async () => {
  const job = jobOfProgram<ClientJob>();
  const open = await clients[job.client].load();
  const call = open(job);
  process.on("message", (order) => {
    runRound(call, order as RunRound).then(tell, fail);
  });
  tell({ kind: "ready" });
});
