import type { Transport } from "@connectrpc/connect";
import { startCharges } from "../charges.ts";

/** RPCs that are sent until they are stopped. */
export interface Load {
  /** The pods that answered RPCs since this was last asked, with how many each. */
  answered(): ReadonlyMap<string, number>;
  /** Ends the load. Resolves to the messages of all RPCs that failed. */
  stop(): Promise<readonly string[]>;
}

/** A charge, which must not happen twice, every 5 ms. */
export function startLoad(transport: Transport): Load {
  let answered = new Map<string, number>();
  const charges = startCharges(transport, (pod) => answered.set(pod, (answered.get(pod) ?? 0) + 1));
  return {
    answered() {
      const last = answered;
      answered = new Map();
      return last;
    },
    stop: () => charges.stop(),
  };
}
