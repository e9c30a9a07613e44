import { subscribe } from "node:diagnostics_channel";
import { type ConnectionEvent, connectionChannel, createLifecycle, type Lifecycle } from "@evenkeel/server";
import type { EventName } from "../cells.ts";
import { maxAgeMs, readinessDelayMs } from "./times.ts";

/** Ours. `note` is told `retired` of each connection. */
export function createTwoPhase(event: EventName, note: (line: "retired") => void): Lifecycle {
  subscribe(connectionChannel, (message) => {
    if ((message as ConnectionEvent).type === "retiring") note("retired");
  });
  const age = event === "max-age" ? { maxConnectionAgeMs: maxAgeMs } : {};
  const lifecycle = createLifecycle({ readinessDelayMs, ...age });
  lifecycle.shutdownOnSignals();
  return lifecycle;
}
