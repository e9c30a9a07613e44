import { ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { DemoService } from "../../gen/demo/v1/demo_pb.ts";

const periodMs = 5;

/** RPCs that are sent until they are stopped. */
export interface Load {
  /** The pods that answered RPCs since this was last asked, with how many each. */
  answered(): ReadonlyMap<string, number>;
  /** Ends the load. Resolves to the messages of all RPCs that failed. */
  stop(): Promise<readonly string[]>;
}

/** A charge, which must not happen twice, every 5 ms. */
export function startLoad(transport: Transport): Load {
  const client = createClient(DemoService, transport);
  const failures: string[] = [];
  const open = new Set<Promise<void>>();
  let answered = new Map<string, number>();
  const send = async (): Promise<void> => {
    try {
      const { pod } = await client.charge({ work: { delayMs: 5 } }, { timeoutMs: 20_000 });
      answered.set(pod, (answered.get(pod) ?? 0) + 1);
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
    answered() {
      const last = answered;
      answered = new Map();
      return last;
    },
    async stop() {
      clearInterval(timer);
      await Promise.all(open);
      return failures;
    },
  };
}
