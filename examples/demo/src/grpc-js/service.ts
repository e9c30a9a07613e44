import type { handleUnaryCall, UntypedServiceImplementation } from "@grpc/grpc-js";
import type { Work } from "../gen/demo/v1/demo_pb.ts";
import { perform } from "../service.ts";

interface WorkRequest {
  readonly work?: Work | undefined;
}

interface WorkResponse {
  readonly pod: string;
  readonly payload: Uint8Array;
}

/** What the demo calls of DemoService, for a server of grpc-js. Responses name `pod`. */
export function demoHandlers(pod: string): UntypedServiceImplementation {
  const work: handleUnaryCall<WorkRequest, WorkResponse> = (call, done) => {
    const cancelled = new AbortController();
    call.once("cancelled", () => cancelled.abort());
    perform(call.request.work, cancelled).then(
      (payload) => done(null, { pod, payload }),
      () => {}, // nobody waits for it
    );
  };
  return { ping: work, charge: work };
}
