import { type Address, createEndpoint, type Endpoint, type ResolverFactory } from "@evenkeel/core";
import {
  type ClusterApiServer,
  type ClusterApiServerOptions,
  startClusterApiServer,
} from "../api-server/cluster-api-server.ts";
import { NamespaceNetwork } from "../network/namespace-network.ts";
import { LoopbackNetwork, type PodNetwork } from "../network/pod-network.ts";
import { Timers } from "../timers.ts";
import { ClusterDns, type ClusterDnsOptions } from "./dns-server.ts";
import { EndpointFeed } from "./endpoint-feed.ts";
import { type ClusterOptions, type ClusterSettings, checkOptions, checkSize } from "./options.ts";
import type { ClusterEvent, Pod, PodChange } from "./pod.ts";
import { PodProcess } from "./pod-process.ts";
import { VirtualIp, type VirtualIpOptions } from "./virtual-ip.ts";
import { Watchdog } from "./watchdog.ts";

/**
 * Starts a pretend cluster: one Service, whose pods are processes on loopback addresses, or in a network that lags.
 *
 * Resolves when all pods are ready and published. Rejects with a `TypeError` or `RangeError` that names the option, and
 * with an `Error` that tells what a pod wrote when one does not become ready, or why there cannot be such a network;
 * nothing is left running then. Needs Linux or macOS.
 */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const settings = checkOptions(options);
  const watchdog = await Watchdog.start();
  let cluster: Cluster;
  try {
    cluster = new Cluster(settings, await openNetwork(settings, watchdog), watchdog);
  } catch (error) {
    await watchdog.close();
    throw error;
  }
  try {
    await cluster.scale(settings.size);
    await cluster.published();
    return cluster;
  } catch (error) {
    await cluster.close();
    throw error;
  }
}

/** A pretend cluster. Made by `startCluster`; its methods reject with an `Error` once it is closed. */
export class Cluster {
  readonly #settings: ClusterSettings;
  readonly #network: PodNetwork;
  readonly #watchdog: Watchdog;
  readonly #feed: EndpointFeed;
  readonly #pods = new Set<PodProcess>();
  readonly #listeners = new Set<(event: ClusterEvent) => void>();
  readonly #detections = new Timers();
  readonly #servers = new Set<{ close(): Promise<void> }>();
  #podsStarted = 0;
  #ending = false;
  #closing: Promise<void> | undefined;

  /** Use `startCluster`. */
  constructor(settings: ClusterSettings, network: PodNetwork, watchdog: Watchdog) {
    this.#settings = settings;
    this.#network = network;
    this.#watchdog = watchdog;
    this.#feed = new EndpointFeed(settings.propagationMs);
  }

  /** The Service's name, as a cluster's DNS has it; outside `startDns` nothing resolves it. */
  get host(): string {
    return `${this.#settings.name}.default.svc.cluster.local`;
  }

  /** The Service's port: that of every pod, where pods have addresses of their own. */
  get port(): number {
    return this.#network.port;
  }

  /** `http://<host>:<port>`: what a client gets as its target, together with `resolver()`. */
  get url(): string {
    return `http://${this.host}:${this.port}`;
  }

  /** The pods that have not exited, in the order in which they were started. */
  get pods(): readonly Pod[] {
    return [...this.#pods];
  }

  /** The endpoint set as it is published now: every pod of `pods`, also those not ready yet. */
  endpoints(): readonly Endpoint[] {
    return this.#feed.published;
  }

  /** Resolves once every change that the cluster has noticed so far is published, or it is closed. */
  async published(): Promise<void> {
    await this.#feed.settled();
  }

  /**
   * A resolver that pushes the endpoint set, at once and at every change, whatever the target. `Endpoint.key` is the
   * pod's name. A pod that terminates is not ready, serves until it exits, and then leaves the set.
   */
  resolver(): ResolverFactory {
    return this.#feed.resolver();
  }

  /** Calls `listener` at every event, in order. Returns what ends that. */
  on(listener: (event: ClusterEvent) => void): () => void {
    const own = (event: ClusterEvent): void => listener(event);
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  /**
   * Brings the number of pods that run, and are not on their way out, to `size`: starts pods, or stops the newest.
   *
   * Resolves when new pods are ready, and those that leave have exited; their publication may lag. Rejects with a
   * `RangeError` for a bad size, and with an `Error` when a pod does not become ready; the others stay.
   */
  async scale(size: number): Promise<void> {
    this.#checkOpen();
    checkSize(size);
    const pods = [...this.#pods].filter((pod) => pod.wanted);
    const work: Promise<unknown>[] = pods.slice(size).map((pod) => this.#stop(pod));
    for (let count = pods.length; count < size; count++) work.push(this.#start());
    await allSettled(work);
  }

  /**
   * Replaces every pod by a new one, as a Deployment with `maxSurge: 1` and `maxUnavailable: 0`: starts a new pod, waits
   * until it is ready, stops an old one, and goes on without waiting for that to exit.
   *
   * Resolves when all old pods have exited. A pod that is gone when its turn comes is not replaced. When a new pod does
   * not become ready it rejects with an `Error`, and the old ones that are left stay.
   */
  async rollingRestart(): Promise<void> {
    this.#checkOpen();
    const leaving: Promise<void>[] = [];
    try {
      for (const old of [...this.#pods].filter((pod) => pod.wanted)) {
        if (!old.wanted) continue;
        await this.#start();
        leaving.push(this.#stop(old));
      }
    } finally {
      await allSettled(leaving);
    }
  }

  /**
   * Sends SIGTERM. The endpoint is not ready, serving and terminating from now on (published as every change is), and
   * leaves the set when the process exits. Resolves at that; after `terminationGraceMs` the pod is killed.
   */
  async stop(pod: Pod): Promise<void> {
    await this.#stop(this.#own(pod));
  }

  /**
   * Sends SIGKILL, as when a pod runs out of memory or its node dies. The endpoint stays as it is until
   * `killDetectionMs` and `propagationMs` have passed. The pod is not restarted. Resolves when it has exited. What its
   * address does from then on is the option `network`.
   */
  async kill(pod: Pod): Promise<void> {
    const own = this.#own(pod);
    own.kill();
    await own.gone;
  }

  /**
   * Sends SIGSTOP: connections stay open and are accepted, and nothing answers. The endpoint stays ready, as no kubelet
   * notices. Throws an `Error` unless the pod is ready.
   */
  freeze(pod: Pod): void {
    this.#own(pod).freeze();
  }

  /** Sends SIGCONT. Throws an `Error` unless the pod is frozen; it may be terminating too. */
  thaw(pod: Pod): void {
    this.#own(pod).thaw();
  }

  /** Starts a DNS server for `host`. Closed with the cluster. */
  async startDns(options?: ClusterDnsOptions): Promise<ClusterDns> {
    this.#checkOpen();
    return this.#keep(await ClusterDns.start(this.host, () => this.endpoints(), options));
  }

  /** Starts a virtual IP for the pods. Closed with the cluster. */
  async startVirtualIp(options?: VirtualIpOptions): Promise<VirtualIp> {
    this.#checkOpen();
    return this.#keep(await VirtualIp.start(() => this.endpoints(), options));
  }

  /** Starts an API server with the Service and the EndpointSlices of the pods. Closed with the cluster. */
  async startApiServer(options?: ClusterApiServerOptions): Promise<ClusterApiServer> {
    this.#checkOpen();
    const { name } = this.#settings;
    const source = { name, port: this.port, resolver: this.resolver(), published: () => this.published() };
    return this.#keep(await startClusterApiServer(source, options));
  }

  /**
   * Kills every pod, also frozen ones, and closes what was started here; resolves when all are gone. Rejects with an
   * `Error` when a network that lags did not do so.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    this.#ending = true;
    this.#feed.close();
    const pods = [...this.#pods];
    for (const pod of pods) pod.kill();
    await Promise.all(pods.map((pod) => pod.gone));
    this.#detections.clear();
    await Promise.all([...this.#servers].map((server) => server.close()));
    try {
      await this.#network.close();
    } finally {
      await this.#watchdog.close();
    }
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new Error(`the pretend cluster ${this.#settings.name} is closed`);
  }

  /** The process behind `pod`. */
  #own(pod: Pod): PodProcess {
    this.#checkOpen();
    if (pod instanceof PodProcess && (this.#pods.has(pod) || pod.phase === "exited")) return pod;
    throw new TypeError(`pod: expected one of this cluster's pods, got ${JSON.stringify(pod?.name)}`);
  }

  async #keep<Server extends { close(): Promise<void> }>(server: Server): Promise<Server> {
    if (this.#closing !== undefined) await server.close();
    this.#checkOpen();
    this.#servers.add(server);
    return server;
  }

  async #start(): Promise<void> {
    this.#checkOpen();
    const { name, zones, env, startupTimeoutMs } = this.#settings;
    const address = this.#network.take();
    const { program, args } = this.#network.inside(this.#settings);
    const sever = () => (this.#ending ? undefined : this.#network.sever(address));
    const zone = zones[this.#podsStarted % Math.max(zones.length, 1)];
    const spec = { name: `${name}-${++this.#podsStarted}`, address, zone, program, args, env, sever };
    const pod = new PodProcess(spec, (changed, change) => this.#changed(changed, change));
    if (pod.pid !== undefined) this.#watchdog.add(pod.pid);
    this.#pods.add(pod);
    this.#changed(pod, { kind: "started" });
    await pod.becomeReady(startupTimeoutMs);
  }

  async #stop(pod: PodProcess): Promise<void> {
    await pod.stop(this.#settings.terminationGraceMs);
  }

  #changed(pod: PodProcess, change: PodChange): void {
    switch (change.kind) {
      case "started":
        this.#feed.set(endpointOf(pod, { ready: false, serving: false, terminating: false }));
        break;
      case "ready":
        this.#feed.set(endpointOf(pod, { ready: true, serving: true, terminating: false }));
        break;
      case "terminating":
        this.#feed.set(endpointOf(pod, { ready: false, serving: pod.readyAt !== undefined, terminating: true }));
        break;
      case "exited":
        this.#exited(pod);
        break;
    }
    const event: ClusterEvent = { ...change, pod, at: performance.now() };
    for (const listener of [...this.#listeners]) listener(event);
  }

  #exited(pod: PodProcess): void {
    this.#pods.delete(pod);
    this.#network.leave(pod.address);
    if (pod.pid !== undefined) this.#watchdog.remove(pod.pid);
    if (pod.stopped) {
      this.#feed.delete(pod.name);
      return;
    }
    this.#detections.after(this.#settings.killDetectionMs, () => this.#feed.delete(pod.name));
  }
}

/** Rejects as `startCluster` does. */
async function openNetwork({ network, podAddresses, port }: ClusterSettings, watchdog: Watchdog): Promise<PodNetwork> {
  if (network.kind === "loopback") return LoopbackNetwork.open(podAddresses, port);
  return NamespaceNetwork.open(network, port, (command) => watchdog.setCleanup(command));
}

function endpointOf(pod: Pod, conditions: Pick<Endpoint, "ready" | "serving" | "terminating">): Endpoint {
  const { host, port }: Address = pod.address;
  const zone = pod.zone === undefined ? {} : { zone: pod.zone };
  return createEndpoint({ key: pod.name, podName: pod.name, host, port, ...zone, ...conditions });
}

/** Waits for all of `work`; rejects with the first failure after that. */
async function allSettled(work: readonly Promise<unknown>[]): Promise<void> {
  const results = await Promise.allSettled(work);
  const failed = results.find((result) => result.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}
