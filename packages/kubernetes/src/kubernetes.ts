import { AsyncLocalStorage } from "node:async_hooks";
import {
  backoffDelay,
  jitter,
  messageOf,
  type Resolver,
  type ResolverContext,
  type ResolverFactory,
  type ResolverListener,
  type ResolverUpdate,
  type Target,
  type Timer,
} from "@evenkeel/core";
import type { ApiServer } from "./api/api-server.ts";
import type { EndpointSlice } from "./api/endpoint-slice.ts";
import { inCluster } from "./api/in-cluster.ts";
import { kubeconfig } from "./api/kubeconfig.ts";
import type { ServiceName } from "./api/service-api.ts";
import { explain, remedyOf } from "./explain.ts";
import { checkOptions, type KubernetesOptions } from "./options.ts";
import { parseServiceHost } from "./service-name.ts";
import { EndpointView } from "./slices/endpoints.ts";
import { choosePort, type WantedPort } from "./slices/port.ts";
import { VanishedGuard } from "./vanished.ts";
import type { ServiceAnswer, ServiceWatch } from "./watch/service-watch.ts";
import { serviceWatchOf } from "./watch/service-watches.ts";

/** When the Service does not say which port is meant, it is asked for again after this time (milliseconds), ±1/3. */
const askAgainMs = 45_000;

/** What was said of a Service so short a time ago holds also where its slices have gone since (milliseconds). */
const justNowMs = 1_000;

/**
 * The endpoints of a Kubernetes Service, by a watch of its EndpointSlices (`discovery.k8s.io/v1`): one for each Service in
 * the process. The Service may be headless, have a ClusterIP or no selector.
 *
 * The target's host names the Service: `http://orders.shop.svc.cluster.local:8080`. While the API server is away the last
 * set stays. What keeps the set from being learnt is in the error of the RPCs that wait for it, with what to do.
 *
 * Throws a `TypeError` or `RangeError` for a bad option.
 */
export function kubernetes(options: KubernetesOptions = {}): ResolverFactory {
  const checked = checkOptions(options);
  const server = checked.apiServer ?? defaultApiServer();
  const zone = checked.zone ?? (process.env["POD_ZONE"] || undefined);
  const settings = { ...checked, server, zone };
  return (target, listener, context) => outside(() => new KubernetesResolver(target, listener, context, settings));
}

/** A watch outlives the RPC that it began with, and is not to keep, nor to show, what is stored for that. */
const outside = AsyncLocalStorage.snapshot();

function defaultApiServer(): ApiServer {
  const hasKubeconfig = process.env["KUBECONFIG"] && !process.env["KUBERNETES_SERVICE_HOST"];
  return hasKubeconfig ? kubeconfig() : inCluster();
}

interface Settings extends Pick<KubernetesOptions, "service" | "namespace" | "port"> {
  readonly server: ApiServer;
  readonly zone: string | undefined;
}

class KubernetesResolver implements Resolver {
  readonly #context: ResolverContext;
  readonly #server: ApiServer;
  readonly #guard: VanishedGuard;
  readonly #view: EndpointView;
  readonly #wanted: WantedPort;
  #watch: ServiceWatch | undefined;
  #leave: () => void = () => {};
  #retry: Timer | undefined;
  #isClosed = false;
  #slices: readonly EndpointSlice[] = [];
  /** What the Service said last. */
  #service: ServiceAnswer | undefined;

  constructor(target: Target, listener: ResolverListener, context: ResolverContext, settings: Settings) {
    this.#context = context;
    this.#server = settings.server;
    this.#guard = new VanishedGuard(listener, context.clock);
    this.#view = new EndpointView(settings.zone);
    this.#wanted = wantedPort(settings.port, target);
    const { service, namespace } = namesOf(settings, target);
    if (namespace === undefined) void this.#joinInOwnNamespace(service, 1);
    else this.#join({ service, namespace });
  }

  resolveNow(): void {
    this.#watch?.hint();
  }

  close(): void {
    this.#isClosed = true;
    this.#retry?.cancel();
    this.#guard.close();
    this.#leave();
  }

  /** Where neither option nor host names a namespace, it is that of this pod. */
  async #joinInOwnNamespace(service: string, attempt: number): Promise<void> {
    const found = await ownNamespace(this.#server).catch((error: unknown) => error as Error);
    if (this.#isClosed) return;
    if (typeof found === "string") {
      this.#join({ service, namespace: found });
      return;
    }
    const { clock, random } = this.#context;
    this.#retry = clock.setTimeout(
      () => void this.#joinInOwnNamespace(service, attempt + 1),
      backoffDelay(attempt, random),
    );
    this.#guard.failed(new Error(`Service ${service}: ${messageOf(found)}`, { cause: found }));
  }

  #join(name: ServiceName): void {
    this.#watch = serviceWatchOf(this.#server, name, this.#context);
    const leave = this.#watch.add({
      synced: (slices) => void this.#synced(slices, name),
      failed: (error) => this.#guard.failed(explain(error, name)),
    });
    if (this.#isClosed)
      leave(); // by whoever heard of what is known
    else this.#leave = leave;
  }

  async #synced(slices: readonly EndpointSlice[], name: ServiceName): Promise<void> {
    this.#slices = slices;
    this.#retry?.cancel();
    const update = this.#updateOf(slices, name, undefined);
    if (update !== undefined) {
      this.#guard.tell(update);
      return;
    }
    // endpoints do not wait for a Service that said before which port it is: that it changed, too, is rare
    const early = this.#updateOf(slices, name, this.#service);
    if (early?.kind === "endpoints") this.#guard.tell(early);
    const answer = await this.#watch?.service(slices.length === 0 ? justNowMs : undefined);
    // what came meanwhile was told, or waits for the Service, too
    if (this.#isClosed || slices !== this.#slices) return;
    if (answer?.kind === "found") this.#service = answer;
    const service = answer?.kind === "unknown" ? (this.#service ?? answer) : answer;
    const told = this.#updateOf(slices, name, service) ?? { kind: "endpoints", endpoints: [] };
    const isUnsure = told.kind === "error" || (slices.length === 0 && service?.kind === "unknown");
    if (isUnsure) this.#retry = this.#askAgain(slices, name);
    if (!isSame(told, early)) this.#guard.tell(told);
  }

  /** Nothing tells of changes of the Service, nor that it may be read now. */
  #askAgain(slices: readonly EndpointSlice[], name: ServiceName): Timer {
    const { clock, random } = this.#context;
    return clock.setTimeout(() => void this.#synced(slices, name), jitter(random, askAgainMs, 1 / 3));
  }

  /** What the slices mean; `undefined` where only the Service can tell. */
  #updateOf(
    slices: readonly EndpointSlice[],
    name: ServiceName,
    service: ServiceAnswer | undefined,
  ): ResolverUpdate | undefined {
    const text = `Service ${name.namespace}/${name.service}`;
    if (slices.length === 0) {
      if (service?.kind === "missing") return { kind: "notFound", error: new Error(`${text} does not exist`) };
      return service === undefined ? undefined : { kind: "endpoints", endpoints: [] };
    }
    if (!slices.some(({ endpoints }) => endpoints?.length)) return { kind: "endpoints", endpoints: [] };
    const port = choosePort(this.#wanted, slices, service);
    if (port.kind === "askService") return undefined;
    if (port.kind === "unknown") {
      const remedy = service?.kind === "unknown" ? remedyOf(service.error, name.namespace) : "";
      return { kind: "error", error: new Error(`${text}: ${port.reason}${remedy}`) };
    }
    return { kind: "endpoints", endpoints: this.#view.endpoints(slices, port) };
  }
}

function isSame(a: ResolverUpdate, b: ResolverUpdate | undefined): boolean {
  if (a.kind !== "endpoints" || b?.kind !== "endpoints") return false;
  return a.endpoints.length === b.endpoints.length && a.endpoints.every((each, index) => each === b.endpoints[index]);
}

async function ownNamespace(server: ApiServer): Promise<string> {
  const { namespace } = await server.access();
  if (namespace === undefined) throw new Error("its namespace is not known: name it in the target or the options");
  return namespace;
}

function namesOf({ service, namespace }: Settings, target: Target): { service: string; namespace: string | undefined } {
  if (service !== undefined) return { service, namespace };
  const host = parseServiceHost(target.host);
  return { service: host.service, namespace: namespace ?? host.namespace };
}

function wantedPort(port: string | number | undefined, { port: number, authority }: Target): WantedPort {
  if (typeof port === "number") return { kind: "number", number: port };
  if (port !== undefined)
    return /^\d+$/.test(port) ? { kind: "number", number: Number(port) } : { kind: "name", name: port };
  return { kind: /:\d+$/.test(authority) ? "number" : "default", number };
}
