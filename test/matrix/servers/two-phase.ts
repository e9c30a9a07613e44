import { subscribe } from "node:diagnostics_channel";
import {
  type ConnectionEvent,
  connectionChannel,
  createLifecycle,
  type Lifecycle,
  type LifecycleOptions,
} from "@evenkeel/server";
import type { Retirement } from "./pod-server.ts";
import { maxAgeMs, readinessDelayMs } from "./times.ts";

/** Ours, where it is to be. */
export function twoPhaseLifecycle(retirement: Retirement): Lifecycle | undefined {
  if (retirement.retire !== "two-phase") return undefined;
  const lifecycle = createLifecycle(twoPhaseOptions(retirement));
  lifecycle.shutdownOnSignals();
  return lifecycle;
}

/** Those of a lifecycle that ends as it should. `note` is told of its connections. */
export function twoPhaseOptions({
  event,
  note,
}: Retirement): Pick<LifecycleOptions, "readinessDelayMs" | "maxConnectionAgeMs"> {
  subscribe(connectionChannel, (message) => {
    if ((message as ConnectionEvent).type === "retiring") note("retired");
  });
  return { readinessDelayMs, ...(event === "max-age" ? { maxConnectionAgeMs: maxAgeMs } : {}) };
}
