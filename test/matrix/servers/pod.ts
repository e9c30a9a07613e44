import { openSync, writeSync } from "node:fs";
import { flushCompileCache } from "node:module";
import { setTimeout as sleep } from "node:timers/promises";
import type { EventName, RetireName, ServerName } from "../cells.ts";
import { keyOf, workMs } from "../charge-key.ts";
import { openers } from "./table.ts";

// One pod. What it does is in its ledger in the moment in which it happens, so that it is there however the pod ends.
const { POD_NAME = "pod", POD_IP = "127.0.0.1", PORT = "8080", LEDGER = "/dev/null" } = process.env;
const { SERVER, EVENT, RETIRE } = process.env as { SERVER: ServerName; EVENT: EventName; RETIRE: RetireName };
const ledger = openSync(LEDGER, "a");

function note(line: string): void {
  writeSync(ledger, `${line}\n`);
}

const pod = await openers[SERVER]({
  event: EVENT,
  retire: RETIRE,
  note,
  async charge({ payload }) {
    const key = keyOf(payload);
    note(String(key));
    await sleep(workMs(key));
    return { pod: POD_NAME, payload };
  },
});
await pod.listen(POD_IP, Number(PORT));
flushCompileCache(); // for the next one: this one may not end by itself
