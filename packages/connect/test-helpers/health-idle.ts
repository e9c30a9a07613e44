import { createClient } from "@connectrpc/connect";
import { staticEndpoints } from "@evenkeel/core";
import { DemoService } from "../gen/demo/v1/demo_pb.ts";
import { createConnectTransport } from "../src/connect-transport.ts";

/** Sends an RPC over each kind of transport with a health check, and closes nothing. */
const [http2 = "", http1 = ""] = process.argv.slice(2);
const poll = { path: "/readyz", intervalMs: 10, timeoutMs: 3_600_000 };

for (const transport of [
  createConnectTransport({
    baseUrl: "http://orders.test",
    resolver: staticEndpoints([http2]),
    healthCheck: { service: "" },
  }),
  createConnectTransport({ baseUrl: "http://orders.test", resolver: staticEndpoints([http2]), healthCheck: poll }),
  createConnectTransport({
    baseUrl: "http://orders.test",
    httpVersion: "1.1",
    resolver: staticEndpoints([http1]),
    healthCheck: poll,
  }),
]) {
  const { pod } = await createClient(DemoService, transport).ping({});
  console.log(pod);
}
// the polls after the first are not answered
setTimeout(() => {}, 100);
