import { parseTarget, type Resolver, type ResolverUpdate } from "@evenkeel/core";
import { FakeClock } from "@evenkeel/testing";
import { onTestFinished } from "vitest";
import { apiServerAt } from "../src/api/api-server-at.ts";
import type { EndpointSlice } from "../src/api/endpoint-slice.ts";
import type { WatchEvent } from "../src/api/service-api.ts";
import { kubernetes } from "../src/kubernetes.ts";
import type { KubernetesOptions } from "../src/options.ts";
import { type ApiRequest, type HttpApi, startHttpApi } from "./api-server.ts";
import { last } from "./scripted-service-api.ts";

/** What the API server of a test answers. */
export interface World {
  slices?: readonly EndpointSlice[];
  /** The Service's ports; `undefined`: there is no Service. */
  ports?: readonly object[] | undefined;
  /** Answers requests before the rest does; `true`: this one is answered. */
  first?: (request: ApiRequest) => boolean;
}

/** An API server over HTTP that knows the slices and the Service of a `World`. */
export class WorldApi {
  readonly world: World;
  readonly http: HttpApi;
  #version = 100;

  constructor(http: HttpApi, world: World) {
    this.http = http;
    this.world = world;
    http.onRequest = (request) => this.#answer(request);
  }

  /** Requests in short: `list`, `watch`, `service`, with the Service's name. */
  get log(): readonly string[] {
    return this.http.requests.map(({ path, query }) => {
      const name = query["labelSelector"]?.replace("kubernetes.io/service-name=", "") ?? path.split("/").at(-1);
      const namespace = /namespaces\/([^/]+)/.exec(path)?.[1];
      return `${path.includes("/services/") ? "service" : query["watch"] === "1" ? "watch" : "list"} ${namespace}/${name}`;
    });
  }

  get watches(): readonly ApiRequest[] {
    return this.http.requests.filter(({ query }) => query["watch"] === "1");
  }

  /** Through the latest watch, once there is one. */
  async send(...events: readonly WatchEvent[]): Promise<void> {
    while (this.watches.length === 0) await this.http.next;
    last(this.watches).response.write(events.map((event) => `${JSON.stringify(event)}\n`).join(""));
  }

  /** Resolves once there was such a request, in short as in `log`. */
  async asked(entry: string): Promise<void> {
    while (!this.log.includes(entry)) await this.http.next;
  }

  #answer(request: ApiRequest): void {
    const { first, slices = [], ports } = this.world;
    if (first?.(request)) return;
    const { path, query, json, open } = request;
    if (path.includes("/services/")) {
      if (ports === undefined) json({ message: `services "${path.split("/").at(-1)}" not found`, code: 404 }, 404);
      else json({ kind: "Service", spec: { ports } });
    } else if (query["watch"] === "1") open();
    else json({ metadata: { resourceVersion: `${++this.#version}` }, items: slices });
  }
}

/** Stays in the event loop until what is under way between two sockets of this process has arrived. */
export async function turns(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Refuses what is asked for. */
export function refuse(status: number, message: string): (request: ApiRequest) => boolean {
  return ({ json }) => {
    json({ message }, status);
    return true;
  };
}

/** Refuses to tell of Services. */
export function refuseService(status: number, message: string): (request: ApiRequest) => boolean {
  return (request) => request.path.includes("/services/") && refuse(status, message)(request);
}

export async function startWorld(world: World = {}): Promise<WorldApi> {
  return new WorldApi(await startHttpApi(), world);
}

export interface ResolvingOptions extends KubernetesOptions {
  /** Default: `http://orders.shop:8080`. */
  readonly target?: string;
  readonly clock?: FakeClock;
}

/** A resolver on a fake clock, asking an API server over HTTP. */
export class Resolving {
  readonly clock: FakeClock;
  readonly updates: ResolverUpdate[] = [];
  readonly resolver: Resolver;
  /** Called with each update. */
  onUpdate: (update: ResolverUpdate) => void = () => {};
  #told = Promise.withResolvers<void>();

  constructor(api: WorldApi | undefined, options: ResolvingOptions = {}) {
    const { target = "http://orders.shop:8080", clock = new FakeClock(), ...rest } = options;
    this.clock = clock;
    const apiServer = api === undefined ? {} : { apiServer: apiServerAt(api.http.url) };
    const listener = (update: ResolverUpdate): void => {
      this.updates.push(update);
      this.onUpdate(update);
      this.#told.resolve();
      this.#told = Promise.withResolvers();
    };
    const context = { clock, random: () => 0.5 };
    this.resolver = kubernetes({ ...apiServer, ...rest })(parseTarget(target), listener, context);
    onTestFinished(() => this.resolver.close());
  }

  /** The update of this number, counted from 1, in short: `endpoints <keys>`, `notFound <message>`, `error <message>`. */
  async update(count: number): Promise<string> {
    while (this.updates.length < count) await this.#told.promise;
    const update = this.updates[count - 1] as ResolverUpdate;
    if (update.kind !== "endpoints") return `${update.kind} ${update.error.message}`;
    return ["endpoints", ...update.endpoints.map(({ addresses: [{ host, port }] }) => `${host}:${port}`)].join(" ");
  }
}
