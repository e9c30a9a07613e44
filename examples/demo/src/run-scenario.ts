import { fileURLToPath } from "node:url";
import { Code, ConnectError } from "@connectrpc/connect";
import { type Cluster, type ClusterOptions, canLag, startCluster } from "@evenkeel/testing";
import { createBalancedClient } from "./client/balanced-client.ts";
import type { DemoClient } from "./client/client.ts";
import { createGrpcJsClient, createStockGrpcJsClient } from "./client/grpc-js-client.ts";
import { createStockClient } from "./client/stock-client.ts";
import type { Display } from "./display/display.ts";
import { viewOf } from "./display/view.ts";
import { startClosedLoad } from "./load/closed-load.ts";
import type { Load, SendDue } from "./load/load.ts";
import { startPacedLoad } from "./load/paced-load.ts";
import { Metrics } from "./metrics/metrics.ts";
import { type DemoOptions, type NetworkName, type RunOptions, type ScenarioName, UsageError } from "./options.ts";
import type { RunResult } from "./result.ts";
import { freeze } from "./scenario/freeze.ts";
import { kill } from "./scenario/kill.ts";
import { rolling } from "./scenario/rolling.ts";
import { scale } from "./scenario/scale.ts";
import type { Scenario } from "./scenario/scenario.ts";
import { play } from "./scenario/stage.ts";
import { until } from "./until.ts";

const scenarios: Readonly<Record<ScenarioName, Scenario>> = { scale, kill, rolling, freeze };

/** How long a pod serves after SIGTERM: until the client has learnt that it leaves, and by DNS that others came. */
const readinessDelayMs = { kubernetes: 300, cluster: 300, dns: 3_000 };
const connectLimitMs = 10_000;

/** Where packets get lost, a dead pod stays in the endpoint set until they do, so that it is dialled again. */
const networks: Readonly<Record<NetworkName, Partial<ClusterOptions>>> = {
  loopback: {},
  lagging: { network: { kind: "lagging" }, killDetectionMs: 4_000 },
};

/** Runs one scenario on a cluster of its own, which is gone when the promise settles. Rejects as `runDemo` does. */
export async function runScenario(
  name: ScenarioName,
  demoOptions: DemoOptions,
  display: Display,
  signal: AbortSignal,
): Promise<RunResult> {
  signal.throwIfAborted();
  const options: RunOptions = { ...demoOptions, policy: demoOptions.policy ?? scenarios[name].policy };
  if (options.network === "lagging") await checkLagging();
  await using cluster = await startCluster({
    pod: {
      module: fileURLToPath(new URL(options.protocol === "grpc-js" ? "./grpc-js/pod.ts" : "./pod.ts", import.meta.url)),
      env: { READINESS_DELAY_MS: String(readinessDelayMs[options.resolver]) },
    },
    size: scenarios[name].pods,
    ...networks[options.network],
  });
  const client = await createClient(options, cluster);
  try {
    if (options.client === "evenkeel") await untilConnected(client, cluster, signal);
    return await measure(name, options, cluster, client, display, signal);
  } finally {
    await client.close();
  }
}

function createClient(options: RunOptions, cluster: Cluster): Promise<DemoClient> {
  const { client, protocol } = options;
  const isBalanced = client === "evenkeel";
  if (protocol === "grpc-js") return (isBalanced ? createGrpcJsClient : createStockGrpcJsClient)(options, cluster);
  return (isBalanced ? createBalancedClient : createStockClient)(protocol, options, cluster);
}

async function checkLagging(): Promise<void> {
  const support = await canLag();
  if (!support.ok) throw new UsageError(`--network lagging: ${support.reason}`);
}

async function untilConnected(client: DemoClient, cluster: Cluster, signal: AbortSignal): Promise<void> {
  const isConnected = (): boolean => {
    const connections = client.connections();
    return cluster.pods.every((pod) => connections.get(pod.name)?.state === "ready");
  };
  if (await until(isConnected, signal, connectLimitMs)) return;
  const states = [...client.connections()].map(([pod, { state }]) => `${pod}: ${state}`).join(", ");
  throw new Error(`the client is not connected to every pod after ${connectLimitMs} ms (${states})`);
}

async function measure(
  name: ScenarioName,
  options: RunOptions,
  cluster: Cluster,
  client: DemoClient,
  display: Display,
  signal: AbortSignal,
): Promise<RunResult> {
  const startedAt = performance.now();
  const pods = cluster.pods.map((pod) => pod.name);
  const metrics = new Metrics(startedAt, pods);
  const view = viewOf(name, options, cluster, client, metrics, startedAt);
  const ignoreEvents = cluster.on(({ kind, pod, at }) => display.event(metrics.happened(kind, pod.name, at)));
  display.started(view());
  const updates = setInterval(() => display.update(view()), display.intervalMs);
  const load = startLoad(scenarios[name], options, startedAt, sendInto(metrics, client));
  try {
    await play(scenarios[name], cluster, load, metrics, signal);
  } finally {
    await load.stop();
    clearInterval(updates);
    ignoreEvents();
  }
  const result = resultOf(name, options, metrics, client);
  display.finished(result, view());
  return result;
}

function sendInto(metrics: Metrics, { send }: DemoClient): SendDue {
  return async (dueAt) => {
    try {
      const pod = await send();
      const now = performance.now();
      metrics.succeeded(pod, now - dueAt, now);
    } catch (thrown) {
      const { code, rawMessage } = ConnectError.from(thrown);
      const now = performance.now();
      metrics.fail(Code[code], rawMessage, now - dueAt, now);
    }
  };
}

function startLoad(scenario: Scenario, options: DemoOptions, startedAt: number, send: SendDue): Load {
  const { rate, seconds, callers = scenario.callers, rpcsPerCaller } = options;
  if (rate === 0) return startClosedLoad({ callers, rpcsPerCaller, send });
  return startPacedLoad({ rate, seconds, startedAt, send });
}

function resultOf(name: ScenarioName, options: RunOptions, metrics: Metrics, client: DemoClient): RunResult {
  const { client: clientName, protocol, method, policy, resolver, network } = options;
  const isBalanced = clientName === "evenkeel";
  const open = [...client.connections()].filter(([, connection]) => connection.open > 0);
  return {
    scenario: name,
    client: clientName,
    protocol,
    method,
    policy: isBalanced ? policy : null,
    resolver: isBalanced ? resolver : null,
    network,
    inFlightAtLoss: client.inFlightAtLoss,
    ...metrics.measured(client.attempts),
    connections: Object.fromEntries(open.map(([pod, connection]) => [pod, connection.open])),
  };
}
