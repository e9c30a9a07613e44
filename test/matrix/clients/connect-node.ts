import { Agent } from "node:http";
import { createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { cert } from "../../../packages/server/test-helpers/certificate.ts";
import { guardStockClients } from "../../../packages/server/test-helpers/stock-client.ts";
import { DemoService } from "../../gen/demo/v1/demo_pb.ts";
import { keyOf, payloadOf } from "../charge-key.ts";
import type { ClientJob } from "../messages.ts";
import { type Charge, timeoutMs } from "./charge.ts";

// It knows one address: the virtual IP.

export function openGrpc({ tls, virtualPort }: ClientJob): Charge {
  guardStockClients();
  const baseUrl = `${tls ? "https" : "http"}://127.0.0.1:${virtualPort}`;
  return chargeOver(createGrpcTransport({ baseUrl, ...(tls ? { nodeOptions: { ca: cert } } : {}) }));
}

export function openConnectH1({ virtualPort }: ClientJob): Charge {
  const baseUrl = `http://127.0.0.1:${virtualPort}`;
  const nodeOptions = { agent: new Agent({ keepAlive: true }) };
  return chargeOver(createConnectTransport({ httpVersion: "1.1", baseUrl, nodeOptions }));
}

function chargeOver(transport: Transport): Charge {
  const client = createClient(DemoService, transport);
  return async (key) => keyOf((await client.charge({ payload: payloadOf(key) }, { timeoutMs })).payload);
}
