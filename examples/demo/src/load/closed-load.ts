import { setImmediate as nextTurn } from "node:timers/promises";
import type { Load, SendDue } from "./load.ts";

export interface ClosedLoadOptions {
  readonly callers: number;
  readonly rpcsPerCaller: number;
  readonly send: SendDue;
}

/** Callers that each send the next RPC when the one before has completed. */
export function startClosedLoad({ callers, rpcsPerCaller, send }: ClosedLoadOptions): Load {
  let stopped = false;
  let completed = 0;
  const call = async (): Promise<void> => {
    while (!stopped) {
      await send(performance.now());
      completed++;
      await nextTurn(); // RPCs that fail without I/O must not hold up the rest of the process
    }
  };
  const loops = Promise.all(Array.from({ length: callers }, call));
  return {
    get progress() {
      return completed / (callers * rpcsPerCaller);
    },
    async stop() {
      stopped = true;
      await loops;
    },
  };
}
