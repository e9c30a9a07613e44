import { ApiClient } from "./api-client.ts";
import { ApiError, apiErrorOf } from "./api-error.ts";
import type { ApiServer } from "./api-server.ts";
import { checkedService, checkedSlice, malformed, objectOf } from "./checks.ts";
import type { EndpointSlice } from "./endpoint-slice.ts";

/** Slices of a page: few enough to be parsed at once. */
const pageLimit = 100;

/** What an API server knows of one Service: how the rest of this package asks, and what tests script. */
export interface ServiceApi {
  /** All slices of the Service. Rejects with an `ApiError` or `Error`, as the others do. */
  list(signal: AbortSignal): Promise<SliceList>;
  /** Follows the slices from `version` on. Resolves when the server ends the watch in good order. */
  watch(version: string, listener: WatchListener, signal: AbortSignal): Promise<void>;
  /** The Service itself. */
  service(signal: AbortSignal): Promise<Service>;
  close(): void;
}

export interface SliceList {
  readonly slices: readonly EndpointSlice[];
  /** The version of the whole, from which a watch goes on. */
  readonly version: string;
}

export interface WatchListener {
  /** The server has accepted the watch. */
  opened(): void;
  /** What happened, as much as arrived at a time. */
  events(events: readonly WatchEvent[]): void;
}

export type WatchEvent =
  | { readonly type: "ADDED" | "MODIFIED" | "DELETED"; readonly object: EndpointSlice }
  /** Nothing happened up to the version of the object, which has nothing else. */
  | { readonly type: "BOOKMARK"; readonly object: EndpointSlice };

/** The parts of a `v1` Service that are read here. */
export interface Service {
  readonly spec?: {
    readonly ports?: readonly { readonly name?: string; readonly port: number; readonly protocol?: string }[] | null;
  } | null;
}

/** A Service by its names. */
export interface ServiceName {
  readonly service: string;
  readonly namespace: string;
}

/** Asks the API server over HTTP. `watchSeconds`: how long it is to let a watch run. */
export function createServiceApi(server: ApiServer, name: ServiceName, watchSeconds: () => number): ServiceApi {
  const client = new ApiClient(server);
  const namespace = encodeURIComponent(name.namespace);
  const slicesPath = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`;
  const labelSelector = `kubernetes.io/service-name=${name.service}`;
  const pathOf = (query: Record<string, string>): string =>
    `${slicesPath}?${new URLSearchParams({ labelSelector, ...query })}`;

  const page = async (query: Record<string, string>, signal: AbortSignal): Promise<SlicePage> =>
    checkedPage(await client.get(pathOf(query), signal));

  const list = async (limit: number, signal: AbortSignal): Promise<SliceList> => {
    const first = await page({ limit: String(limit) }, signal);
    const slices = [...first.slices];
    for (let { next } = first; next !== undefined; ) {
      const more = await page({ limit: String(limit), continue: next }, signal);
      if (more.next === next) throw malformed("page of a list: it goes on where it began", next);
      slices.push(...more.slices);
      next = more.next;
    }
    return { slices, version: first.version };
  };

  return {
    async list(signal) {
      try {
        return await list(pageLimit, signal);
      } catch (error) {
        if (!isExpired(error)) throw error;
        return await list(0, signal); // pages took so long that their version is forgotten: all at once
      }
    },
    async watch(version, listener, signal) {
      const timeoutSeconds = String(Math.round(watchSeconds()));
      const query = { watch: "1", allowWatchBookmarks: "true", resourceVersion: version, timeoutSeconds };
      const objects = (received: readonly unknown[]): void => {
        const events: WatchEvent[] = [];
        try {
          for (const each of received) events.push(checkedEvent(each));
        } finally {
          if (events.length > 0) listener.events(events); // those before one that is none
        }
      };
      await client.follow(pathOf(query), { opened: () => listener.opened(), objects }, signal);
    },
    async service(signal) {
      const path = `/api/v1/namespaces/${namespace}/services/${encodeURIComponent(name.service)}`;
      return checkedService(await client.get(path, signal));
    },
    close: () => client.close(),
  };
}

/** Whether the version that was asked for is forgotten by the server: all has to be listed anew. */
export function isExpired(error: unknown): boolean {
  return error instanceof ApiError && error.status === 410;
}

interface SlicePage extends SliceList {
  /** Where the next page begins. */
  readonly next: string | undefined;
}

function checkedPage(value: unknown): SlicePage {
  const { items, metadata } = objectOf(value) as Partial<RawList>;
  const version = metadata?.resourceVersion;
  if (!Array.isArray(items) || typeof version !== "string")
    throw malformed("list of EndpointSlices", JSON.stringify(value));
  return { slices: items.map(checkedSlice), version, next: metadata?.continue || undefined };
}

interface RawList {
  readonly items: readonly unknown[];
  readonly metadata: { readonly resourceVersion?: string; readonly continue?: string };
}

/** Throws what an ERROR event says as an `ApiError`. */
function checkedEvent(value: unknown): WatchEvent {
  const { type, object } = objectOf(value) as { readonly type?: unknown; readonly object?: unknown };
  switch (type) {
    case "ADDED":
    case "MODIFIED":
    case "DELETED":
      return { type, object: checkedSlice(object) };
    case "BOOKMARK":
      if (typeof (object as Partial<EndpointSlice> | null)?.metadata?.resourceVersion !== "string") break;
      return { type, object: object as EndpointSlice };
    case "ERROR":
      throw apiErrorOf(object);
  }
  throw malformed("event of a watch", JSON.stringify(value));
}
