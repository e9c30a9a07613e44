import { quantile } from "../bench/statistics.ts";
import type { Client, Observer } from "./client.ts";
import type { Cluster } from "./cluster.ts";

/** What came out of one row. `undefined`: there is no such thing in the scenario. */
export interface Figures {
  readonly rpcs: number;
  /** Of the RPCs that succeeded or ran out of time, in milliseconds; failures that come fast are not in them. */
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  /** The share of RPCs that failed, deadlines included. */
  readonly failed: number;
  /** The most attempts that any pod got, by the mean; then with those of each pod divided by its weight. */
  readonly maxToMean: number;
  readonly maxToMeanByWeight: number;
  /** The most jobs that a pod had at a time. */
  readonly mostJobs: number;
  /** The attempts on odd pods, by what as many ordinary ones would have had. */
  readonly oddShare: number | undefined;
  /** Retries by RPCs. */
  readonly retries: number;
  /** The share of attempts that stayed in their zone. */
  readonly sameZone: number;
  /** Fewest and most, of a pod. */
  readonly connections: readonly [fewest: number, most: number];
}

/** Counts the RPCs that start in a span of time, and what became of them. */
export class Tally implements Observer {
  readonly #cluster: Cluster;
  readonly #attempts = new Map<string, number>();
  readonly #latencies: number[] = [];
  #isCounting = false;
  #fromMs = Number.POSITIVE_INFINITY;
  #toMs = Number.POSITIVE_INFINITY;
  #failed = 0;
  #ended = 0;
  #total = 0;
  #retries = 0;
  #odd = 0;
  #oddExpected = 0;
  #sameZone = 0;
  #mostJobs = 0;
  #connections: readonly [number, number] = [0, 0];

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  begin(nowMs: number): void {
    this.#fromMs = nowMs;
    this.#isCounting = true;
    for (const pod of this.#cluster.pods) pod.mostJobs = pod.jobs;
  }

  /** RPCs that have begun may still end. */
  end(nowMs: number): void {
    this.#toMs = nowMs;
    this.#isCounting = false;
    const pods = [...this.#cluster.pods];
    const connections = pods.map(({ watchers }) => watchers.size);
    this.#connections = [Math.min(...connections), Math.max(...connections)];
    this.#mostJobs = Math.max(...pods.map(({ mostJobs }) => mostJobs));
  }

  attempted(client: Client, endpointKey: string, isRetry: boolean): void {
    if (!this.#isCounting) return;
    this.#total++;
    if (isRetry) this.#retries++;
    this.#attempts.set(endpointKey, (this.#attempts.get(endpointKey) ?? 0) + 1);
    this.#oddExpected += this.#cluster.oddShare;
    if (this.#cluster.isOdd(endpointKey)) this.#odd++;
    if (this.#cluster.pod(endpointKey)?.endpoint.zone === client.options.zone) this.#sameZone++;
  }

  ended(startedAt: number, durationMs: number, result: "ok" | "failed" | "timedOut"): void {
    if (startedAt < this.#fromMs || startedAt >= this.#toMs) return;
    this.#ended++;
    if (result !== "ok") this.#failed++;
    if (result !== "failed") this.#latencies.push(durationMs);
  }

  get figures(): Figures {
    const latencies = Float64Array.from(this.#latencies).sort();
    const pods = [...this.#cluster.pods];
    const attempts = pods.map(({ endpoint }) => this.#attempts.get(endpoint.key) ?? 0);
    return {
      rpcs: this.#ended,
      meanMs: latencies.reduce((sum, latency) => sum + latency, 0) / latencies.length,
      p50Ms: quantile(latencies, 0.5),
      p99Ms: quantile(latencies, 0.99),
      p999Ms: quantile(latencies, 0.999),
      failed: this.#failed / this.#ended,
      maxToMean: maxToMean(attempts),
      maxToMeanByWeight: maxToMean(pods.map(({ endpoint }, index) => (attempts[index] ?? 0) / endpoint.weight)),
      mostJobs: this.#mostJobs,
      oddShare: this.#oddExpected === 0 ? undefined : this.#odd / this.#oddExpected,
      retries: this.#retries / this.#ended,
      sameZone: this.#sameZone / this.#total,
      connections: this.#connections,
    };
  }
}

function maxToMean(values: readonly number[]): number {
  return (Math.max(...values) * values.length) / values.reduce((sum, value) => sum + value, 0);
}
