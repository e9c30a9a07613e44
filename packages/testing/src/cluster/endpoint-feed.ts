import { type Endpoint, type ResolverFactory, StatusCode, StatusError } from "@evenkeel/core";
import { Timers } from "../timers.ts";

type Listener = (endpoints: readonly Endpoint[]) => void;

/**
 * The endpoint set of a cluster, as it is published: each change `propagationMs` after it was made, with 0 before `set`
 * or `delete` returns.
 */
export class EndpointFeed {
  readonly #propagationMs: number;
  readonly #endpoints = new Map<string, Endpoint>();
  readonly #listeners = new Set<Listener>();
  readonly #timers = new Timers();
  readonly #waiting = new Set<() => void>();
  #published: readonly Endpoint[] = [];
  #closed = false;

  constructor(propagationMs: number) {
    this.#propagationMs = propagationMs;
  }

  /** What is published, in the order in which the endpoints came. */
  get published(): readonly Endpoint[] {
    return this.#published;
  }

  /** Adds `endpoint`, or replaces that with its key. */
  set(endpoint: Endpoint): void {
    this.#endpoints.set(endpoint.key, endpoint);
    this.#changed();
  }

  delete(key: string): void {
    if (this.#endpoints.delete(key)) this.#changed();
  }

  /** Resolves once what has been set so far is published, or the feed is closed. */
  async settled(): Promise<void> {
    if (this.#timers.size === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.add(resolve);
    this.#timers.after(this.#propagationMs, resolve);
    await promise;
    this.#waiting.delete(resolve);
  }

  /** The set as a resolver finds it. After `close` it finds that the target does not exist. */
  resolver(): ResolverFactory {
    return (target, listener) => {
      if (this.#closed) {
        const error = new StatusError(StatusCode.unavailable, `${target.text}: the pretend cluster is closed`);
        listener({ kind: "notFound", error });
        return { resolveNow() {}, close() {} };
      }
      const publish: Listener = (endpoints) => listener({ kind: "endpoints", endpoints });
      this.#listeners.add(publish);
      publish(this.#published);
      return { resolveNow() {}, close: () => void this.#listeners.delete(publish) };
    };
  }

  /** Publishes nothing any more, and drops what is under way. */
  close(): void {
    this.#closed = true;
    this.#listeners.clear();
    this.#timers.clear();
    for (const resolve of this.#waiting) resolve();
  }

  #changed(): void {
    if (this.#closed) return;
    const endpoints = [...this.#endpoints.values()];
    if (this.#propagationMs === 0) this.#publish(endpoints);
    else this.#timers.after(this.#propagationMs, () => this.#publish(endpoints));
  }

  #publish(endpoints: readonly Endpoint[]): void {
    this.#published = endpoints;
    for (const listener of [...this.#listeners]) {
      if (this.#listeners.has(listener)) listener(endpoints); // one before it may have closed it
    }
  }
}
