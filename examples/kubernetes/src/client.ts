import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@evenkeel/connect";
import { dns, leastRequest, type ResolverFactory } from "@evenkeel/core";
import { inCluster, kubernetes } from "@evenkeel/kubernetes";
import { createLifecycle, serveProbes } from "@evenkeel/server";
import { clientSettings } from "./environment.ts";
import { DemoService } from "./gen/demo/v1/demo_pb.ts";
import { startLoad } from "./load.ts";
import { log } from "./log.ts";
import { Tally } from "./tally.ts";

// A client that keeps a connection to every pod of the server. What it reads from the environment is in the README.

const { target, resolver, directory, probePort, rate, delayMs, reportSeconds } = clientSettings(process.env);

const resolvers: Readonly<Record<"kubernetes" | "dns", () => ResolverFactory>> = {
  kubernetes: () => kubernetes(directory ? { apiServer: inCluster({ directory }) } : {}),
  dns: () => dns(),
};
const transport = createGrpcTransport({
  baseUrl: target.text,
  resolver: resolvers[resolver](),
  policy: leastRequest(),
  defaultTimeoutMs: 5_000,
});
const client = createClient(DemoService, transport);
const tally = new Tally();

// nobody calls this process: its own end needs no delay for others to learn of it
const lifecycle = createLifecycle({ readinessDelayMs: 0 });
lifecycle.shutdownOnSignals();
const isReady = (): boolean => transport.channel.state === "ready";
const probes = await serveProbes(lifecycle, { port: probePort, isReady });
log("started", { target: target.text, rate, probePort: probes.port });

const load = startLoad(rate, () =>
  client.charge({ work: { delayMs } }).then(
    ({ pod }) => tally.succeeded(pod),
    (error: unknown) => tally.failed(error),
  ),
);
const report = (): void => {
  const { state, endpoints } = transport.channel.snapshot();
  const connected = endpoints.filter((endpoint) => endpoint.state === "ready").length;
  log("report", { ...tally.take(), underWay: load.underWay, state, connected });
};
const reports = setInterval(report, reportSeconds * 1_000);

lifecycle.onShutdown(async () => {
  clearInterval(reports);
  await load.stop();
  report();
  await transport.close();
});
