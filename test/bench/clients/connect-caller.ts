import { create } from "@bufbuild/protobuf";
import { type CallOptions, createClient, type Interceptor, type Transport } from "@connectrpc/connect";
import { ChargeRequestSchema, CountRequestSchema, DemoService } from "../../gen/demo/v1/demo_pb.ts";
import { answerSpecs } from "../cases.ts";
import type { ClientJob } from "../messages.ts";
import { type Caller, check, requestHeaders, requestPayload, timeoutMs } from "./client.ts";

/** What the operation `real` has between client and transport. */
export const interceptor: Interceptor = (next) => (request) => {
  request.header.set("x-request-source", request.header.get("x-tenant") ?? "none");
  return next(request);
};

/** Calls through the transports in turn. */
export function connectCaller(job: ClientJob, transports: readonly Transport[]): Caller {
  const { payloadBytes, messages } = answerSpecs[job.answer];
  const clients = transports.map((transport) => createClient(DemoService, transport));
  let turn = 0;
  const next = () => clients[turn++ % clients.length] as (typeof clients)[number];
  const charge = create(ChargeRequestSchema, { payload: requestPayload });
  const count = create(CountRequestSchema, { to: messages });
  switch (job.operation) {
    case "unary":
      return async () => {
        const { payload } = await next().charge(charge);
        check(payload.length, payloadBytes);
        return 1;
      };
    case "real":
      return async () => {
        const options: CallOptions = { timeoutMs, headers: requestHeaders, signal: new AbortController().signal };
        const { payload } = await next().charge(charge, options);
        check(payload.length, payloadBytes);
        return 1;
      };
    case "stream":
      return async () => {
        let received = 0;
        for await (const { number } of next().count(count)) {
          if (number !== ++received) throw new Error(`expected number ${received}, got ${number}`);
        }
        if (received !== messages) throw new Error(`expected ${messages} messages, got ${received}`);
        return received;
      };
  }
}
