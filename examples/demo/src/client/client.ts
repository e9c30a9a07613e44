import { createClient, type Transport } from "@connectrpc/connect";
import type { ConnectivityState } from "@evenkeel/core";
import { DemoService } from "../gen/demo/v1/demo_pb.ts";
import type { Method, Protocol } from "../options.ts";

/** What transports of Connect speak. */
export type ConnectProtocol = Exclude<Protocol, "grpc-js">;

/** What sends the RPCs of a run. */
export interface DemoClient {
  /** Sends one RPC. Resolves to the name of the pod that answered; rejects with a `ConnectError`. */
  readonly send: () => Promise<string>;
  /**
   * Every attempt that has ended, in no order. connect-node tells only of those that were answered, grpc-js of the last
   * of each RPC.
   */
  readonly attempts: readonly Attempt[];
  /** What it has to each pod, by the pod's name. */
  connections(): ReadonlyMap<string, PodConnection>;
  /** Streams that were written and not answered, on connections when they were lost. */
  readonly inFlightAtLoss: number;
  close(): Promise<void>;
}

/** An RPC, or one of the times that it was sent. */
export interface Attempt {
  readonly pod: string;
  /** When the pod was chosen, in milliseconds of `performance.now()`. */
  readonly at: number;
}

export interface PodConnection {
  readonly state: ConnectivityState;
  readonly open: number;
}

/** So that a run ends whatever happens; no RPC of a pod that lives takes as long. */
export const timeoutMs = 10_000;

/** A `send` that calls `method` on `transport`, and asks the pod to take `delayMs`. */
export function sender(transport: Transport, method: Method, delayMs: number): () => Promise<string> {
  const client = createClient(DemoService, transport);
  return async () => (await client[method]({ work: { delayMs } }, { timeoutMs })).pod;
}
