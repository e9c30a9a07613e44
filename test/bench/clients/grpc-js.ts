import { create, type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { type CallOptions, Client, credentials, InterceptingCall, type Interceptor, Metadata } from "@grpc/grpc-js";
import {
  ChargeRequestSchema,
  type ChargeResponse,
  ChargeResponseSchema,
  CountRequestSchema,
  type CountResponse,
  CountResponseSchema,
  DemoService,
} from "../../gen/demo/v1/demo_pb.ts";
import { answerSpecs } from "../cases.ts";
import { hosts } from "../endpoints.ts";
import type { ClientJob } from "../messages.ts";
import { type Caller, check, requestHeaders, requestPayload, timeoutMs } from "./client.ts";

const interceptor: Interceptor = (callOptions, nextCall) =>
  new InterceptingCall(nextCall(callOptions), {
    start(metadata, listener, next) {
      metadata.set("x-request-source", String(metadata.get("x-tenant")[0] ?? "none"));
      next(metadata, listener);
    },
  });

/** Balances by its own round robin over the endpoints. */
export function open(job: ClientJob): Caller {
  return grpcJsCaller(job, `ipv4:${addressesOf(job)}`, "round_robin");
}

/** The endpoints, with commas between them. */
export function addressesOf({ port }: ClientJob): string {
  return hosts.map((host) => `${host}:${port}`).join(",");
}

/** Balances by `policy` over what `target` names, with the messages of the other clients. */
export function grpcJsCaller(job: ClientJob, target: string, policy: string): Caller {
  const { payloadBytes, messages } = answerSpecs[job.answer];
  const client = new Client(target, credentials.createInsecure(), {
    "grpc.service_config": JSON.stringify({ loadBalancingConfig: [{ [policy]: {} }] }),
    "grpc.max_receive_message_length": -1, // the default is less than 16 MiB
    ...(job.operation === "real" ? { interceptors: [interceptor] } : {}),
  });
  const charge = create(ChargeRequestSchema, { payload: requestPayload });
  const count = create(CountRequestSchema, { to: messages });
  const chargePath = `/${DemoService.typeName}/${DemoService.method.charge.name}`;
  const countPath = `/${DemoService.typeName}/${DemoService.method.count.name}`;
  const serializeCharge = serializer(ChargeRequestSchema);
  const serializeCount = serializer(CountRequestSchema);
  const deserializeCharge = (bytes: Buffer): ChargeResponse => fromBinary(ChargeResponseSchema, bytes);
  const deserializeCount = (bytes: Buffer): CountResponse => fromBinary(CountResponseSchema, bytes);

  function unary(metadata: Metadata, callOptions: CallOptions, signal: AbortSignal | undefined): Promise<number> {
    return new Promise((resolve, reject) => {
      const call = client.makeUnaryRequest(
        chargePath,
        serializeCharge,
        deserializeCharge,
        charge,
        metadata,
        callOptions,
        (error, response) => {
          signal?.removeEventListener("abort", cancel);
          if (error !== null) return reject(error);
          try {
            check(response?.payload.length ?? -1, payloadBytes);
            resolve(1);
          } catch (mistake) {
            reject(mistake);
          }
        },
      );
      const cancel = (): void => call.cancel();
      signal?.addEventListener("abort", cancel, { once: true });
    });
  }

  switch (job.operation) {
    case "unary":
      return () => unary(new Metadata(), {}, undefined);
    case "real":
      return () => {
        const metadata = new Metadata();
        for (const name of Object.keys(requestHeaders)) metadata.set(name, requestHeaders[name] ?? "");
        return unary(metadata, { deadline: Date.now() + timeoutMs }, new AbortController().signal);
      };
    case "stream":
      return () =>
        new Promise((resolve, reject) => {
          let received = 0;
          client
            .makeServerStreamRequest(countPath, serializeCount, deserializeCount, count)
            .on("data", ({ number }: CountResponse) => {
              if (number !== ++received) reject(new Error(`expected number ${received}, got ${number}`));
            })
            .on("error", reject)
            .on("end", () => {
              if (received === messages) resolve(received);
              else reject(new Error(`expected ${messages} messages, got ${received}`));
            });
        });
  }
}

function serializer<Desc extends DescMessage>(schema: Desc): (message: MessageShape<Desc>) => Buffer {
  return (message) => {
    const bytes = toBinary(schema, message);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };
}
