import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@evenkeel/connect";
import { dns, leastRequest, type ResolverFactory } from "@evenkeel/core";
import { inCluster, kubernetes } from "@evenkeel/kubernetes";
import { createLifecycle, serveProbes } from "@evenkeel/server";
import { integerOf, wordOf } from "./environment.ts";
import { DemoService } from "./gen/demo/v1/demo_pb.ts";
import { startLoad } from "./load.ts";
import { log } from "./log.ts";
import { Tally } from "./tally.ts";

// A client that keeps a connection to every pod of the server. What it reads from the environment is in the README.

const baseUrl = process.env["TARGET"] || "http://demo-server:8080";
const rate = integerOf("RATE", 50, 1, 10_000);
const delayMs = integerOf("DELAY_MS", 10, 0, 60_000);
const reportSeconds = integerOf("REPORT_SECONDS", 10, 1, 3_600);
const probePort = integerOf("PROBE_PORT", 8081, 0, 65_535);
const directory = process.env["SERVICE_ACCOUNT_DIRECTORY"];

const resolvers: Readonly<Record<"kubernetes" | "dns", () => ResolverFactory>> = {
  kubernetes: () => kubernetes(directory ? { apiServer: inCluster({ directory }) } : {}),
  dns: () => dns(),
};
const transport = createGrpcTransport({
  baseUrl,
  resolver: resolvers[wordOf("RESOLVER", ["kubernetes", "dns"])](),
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
log("started", { target: baseUrl, rate, probePort: probes.port });

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
