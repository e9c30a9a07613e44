import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Client, credentials, Metadata } from "@grpc/grpc-js";
import { cert } from "../../../packages/server/test-helpers/certificate.ts";
import { ChargeRequestSchema, ChargeResponseSchema, DemoService } from "../../gen/demo/v1/demo_pb.ts";
import { keyOf, payloadOf } from "../charge-key.ts";
import type { ClientJob } from "../messages.ts";
import { type Charge, lookUpMs, timeoutMs } from "./charge.ts";

/** Its own round robin over the addresses of the headless Service. */
export function open(job: ClientJob): Charge {
  const { host, port, dns } = job;
  return chargeAt(`dns://${dns}/${host}:${port}`, "round_robin", job);
}

/** Balances by `policy` over what `target` resolves to. */
export function chargeAt(target: string, policy: string, { tls }: ClientJob): Charge {
  const client = new Client(target, tls ? credentials.createSsl(Buffer.from(cert)) : credentials.createInsecure(), {
    "grpc.service_config": JSON.stringify({ loadBalancingConfig: [{ [policy]: {} }] }),
    "grpc.dns_min_time_between_resolutions_ms": lookUpMs,
    ...(tls ? { "grpc.ssl_target_name_override": "localhost" } : {}),
  });
  const path = `/${DemoService.typeName}/${DemoService.method.charge.name}`;
  return (key) =>
    new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        path,
        (request: Uint8Array) => Buffer.from(request),
        (bytes: Buffer) => fromBinary(ChargeResponseSchema, bytes),
        toBinary(ChargeRequestSchema, create(ChargeRequestSchema, { payload: payloadOf(key) })),
        new Metadata(),
        { deadline: Date.now() + timeoutMs },
        (error, response) => {
          if (error !== null) reject(error);
          else resolve(keyOf(response?.payload ?? new Uint8Array()));
        },
      );
    });
}
