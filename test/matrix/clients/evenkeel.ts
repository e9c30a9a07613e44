import { createClient } from "@connectrpc/connect";
import { type BalancedTransport, createConnectTransport, createGrpcTransport } from "@evenkeel/connect";
import { dns } from "@evenkeel/core";
import { cert } from "../../../packages/server/test-helpers/certificate.ts";
import { DemoService } from "../../gen/demo/v1/demo_pb.ts";
import { keyOf, payloadOf } from "../charge-key.ts";
import type { ClientJob } from "../messages.ts";
import { type Charge, lookUpMs, timeoutMs } from "./charge.ts";

// As the README shows them, on the headless Service.

export function openConnect(job: ClientJob): Charge {
  return chargeOver(createConnectTransport(http2Options(job)));
}

export function openGrpc(job: ClientJob): Charge {
  return chargeOver(createGrpcTransport(http2Options(job)));
}

export function openConnectH1(job: ClientJob): Charge {
  return chargeOver(createConnectTransport({ ...commonOptions(job), httpVersion: "1.1" }));
}

function commonOptions({ tls, host, port, dns: server }: ClientJob) {
  return {
    baseUrl: `${tls ? "https" : "http"}://${host}:${port}`,
    resolver: dns({ servers: [server], refreshMs: lookUpMs }),
  };
}

function http2Options(job: ClientJob) {
  // the certificate is for localhost
  const tls = { ca: cert, checkServerIdentity: () => undefined };
  return { ...commonOptions(job), ...(job.tls ? { nodeOptions: tls } : {}) };
}

function chargeOver(transport: BalancedTransport): Charge {
  const client = createClient(DemoService, transport);
  return async (key) => keyOf((await client.charge({ payload: payloadOf(key) }, { timeoutMs })).payload);
}
