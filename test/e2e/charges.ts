import { ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { DemoService } from "../gen/demo/v1/demo_pb.ts";

export const periodMs = 5;

/** Charges that are sent until they are stopped. */
export interface Charges {
  /** How many were sent so far. */
  readonly sent: number;
  /** Ends the load. Resolves to the messages of all RPCs that failed. */
  stop(): Promise<readonly string[]>;
}

/** A charge, which must not happen twice, every 5 ms. `onAnswer` hears which pod answered, and which charge, from 0. */
export function startCharges(transport: Transport, onAnswer: (pod: string, number: number) => void): Charges {
  const client = createClient(DemoService, transport);
  const failures: string[] = [];
  const open = new Set<Promise<void>>();
  let sent = 0;
  const send = async (): Promise<void> => {
    const number = sent++;
    try {
      const { pod } = await client.charge({ work: { delayMs: 5 } }, { timeoutMs: 20_000 });
      onAnswer(pod, number);
    } catch (error) {
      failures.push(ConnectError.from(error).message);
    }
  };
  const timer = setInterval(() => {
    const rpc = send();
    open.add(rpc);
    void rpc.then(() => open.delete(rpc));
  }, periodMs);
  return {
    get sent() {
      return sent;
    },
    async stop() {
      clearInterval(timer);
      await Promise.all(open);
      return failures;
    },
  };
}
