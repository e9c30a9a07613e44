import type { Clock } from "@evenkeel/core";
import type { EndpointSlice } from "../src/api/endpoint-slice.ts";
import type { Service, ServiceApi, SliceList, WatchEvent, WatchListener } from "../src/api/service-api.ts";

/** A request that a test answers. Ends as the real ones do when its signal aborts. */
class ScriptedRequest<T> {
  readonly signal: AbortSignal;
  /** When it was made, by the clock. */
  readonly at: number;
  readonly promise: Promise<T>;
  /** Whether it has ended, by whatever. */
  isOver = false;
  readonly #resolve: (value: T) => void;
  readonly #reject: (error: unknown) => void;

  constructor(signal: AbortSignal, at: number) {
    this.signal = signal;
    this.at = at;
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.promise = promise;
    this.#resolve = resolve;
    this.#reject = reject;
    signal.addEventListener("abort", () => this.fail(new Error("The operation was aborted")), { once: true });
  }

  answer(value: T): void {
    this.isOver = true;
    this.#resolve(value);
  }

  fail(error: unknown): void {
    this.isOver = true;
    this.#reject(error);
  }
}

export class ScriptedList extends ScriptedRequest<SliceList> {
  readonly kind = "list";

  /** `version`: that of the whole list. */
  slices(version: string, slices: readonly EndpointSlice[] = []): void {
    this.answer({ slices, version });
  }
}

export class ScriptedWatch extends ScriptedRequest<void> {
  readonly kind = "watch";
  /** Where it begins. */
  readonly version: string;
  readonly #listener: WatchListener;

  constructor(signal: AbortSignal, at: number, version: string, listener: WatchListener) {
    super(signal, at);
    this.version = version;
    this.#listener = listener;
  }

  open(): void {
    this.#listener.opened();
  }

  /** All of them arrive at a time. */
  send(...events: readonly WatchEvent[]): void {
    this.#listener.events(events);
  }

  /** As when the server ends it in good order. */
  end(): void {
    this.answer();
  }
}

export class ScriptedServiceRequest extends ScriptedRequest<Service> {
  readonly kind = "service";
}

export type AnyRequest = ScriptedList | ScriptedWatch | ScriptedServiceRequest;

/** A ServiceApi without sockets: records every request, and leaves to the test what becomes of it. */
export class ScriptedServiceApi implements ServiceApi {
  readonly requests: AnyRequest[] = [];
  /** How often it was closed. */
  closes = 0;
  /** Called with each request, once it is under way. */
  onRequest: (request: AnyRequest) => void = () => {};
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  list(signal: AbortSignal): Promise<SliceList> {
    return this.#made(new ScriptedList(signal, this.#clock.now()));
  }

  watch(version: string, listener: WatchListener, signal: AbortSignal): Promise<void> {
    return this.#made(new ScriptedWatch(signal, this.#clock.now(), version, listener));
  }

  service(signal: AbortSignal): Promise<Service> {
    return this.#made(new ScriptedServiceRequest(signal, this.#clock.now()));
  }

  close(): void {
    this.closes++;
  }

  /** The requests in short: `list`, `watch 7`, `service`. */
  get log(): readonly string[] {
    return this.requests.map((request) => (request.kind === "watch" ? `watch ${request.version}` : request.kind));
  }

  get lists(): readonly ScriptedList[] {
    return this.requests.filter((request) => request.kind === "list");
  }

  get watches(): readonly ScriptedWatch[] {
    return this.requests.filter((request) => request.kind === "watch");
  }

  get services(): readonly ScriptedServiceRequest[] {
    return this.requests.filter((request) => request.kind === "service");
  }

  #made<T>(request: AnyRequest & ScriptedRequest<T>): Promise<T> {
    if (this.closes > 0) throw new Error("a request after close()");
    this.requests.push(request);
    // as with a real one, nothing happens before the caller has its promise
    queueMicrotask(() => {
      if (!request.isOver) this.onRequest(request);
    });
    return request.promise;
  }
}

/** The last of `items`. Throws an `Error` when there is none. */
export function last<T>(items: readonly T[]): T {
  const item = items.at(-1);
  if (item === undefined) throw new Error("nothing there yet");
  return item;
}
