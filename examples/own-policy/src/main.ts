import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@evenkeel/connect";
import { DemoService } from "@evenkeel/demo/proto";
import { startCluster } from "@evenkeel/testing";
import { canary } from "./canary.ts";

// five pods, of which orders-5 is the canary, and 2 000 RPCs
await using cluster = await startCluster({
  pod: { module: new URL(import.meta.resolve("@evenkeel/demo/pod")) },
  size: 5,
  name: "orders",
});
await using transport = createGrpcTransport({
  baseUrl: cluster.url,
  resolver: cluster.resolver(),
  policy: canary({ percent: 5, isCanary: ({ podName }) => podName === "orders-5" }),
});
const client = createClient(DemoService, transport);
const counts = new Map<string, number>();
for (let rpc = 0; rpc < 2_000; rpc++) {
  const { pod } = await client.ping({});
  counts.set(pod, (counts.get(pod) ?? 0) + 1);
}
for (const [pod, count] of [...counts].sort()) console.log(`${pod} ${count}`);
