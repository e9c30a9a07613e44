import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ConnectRouter } from "@connectrpc/connect";
import type { Lifecycle } from "@evenkeel/server";
import { type ChargeRequest, type ChargeResponseSchema, DemoService } from "../../gen/demo/v1/demo_pb.ts";
import type { EventName, RetireName } from "../cells.ts";

/** How a pod's connections and servers end. */
export interface Retirement {
  readonly event: EventName;
  readonly retire: RetireName;
  /** Is told `retired` of each connection; of a one-phase restart, of the server. */
  readonly note: (line: "retired") => void;
}

/** What a pod has to serve. */
export interface Content extends Retirement {
  readonly charge: (request: ChargeRequest) => Promise<MessageInitShape<typeof ChargeResponseSchema>>;
}

/** A server that does not listen yet, whatever library it is of. */
export interface PodServer {
  listen(host: string, port: number): Promise<void>;
}

/** What Connect's adapters take. */
export function connectOptions({ charge }: Content, lifecycle: Lifecycle | undefined) {
  return {
    routes: (router: ConnectRouter) => router.service(DemoService, { charge }),
    interceptors: lifecycle === undefined ? [] : [lifecycle.interceptor],
  };
}
