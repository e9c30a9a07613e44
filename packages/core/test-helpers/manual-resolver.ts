import type { Endpoint } from "../src/endpoint/endpoint.ts";
import type { Resolver, ResolverFactory, ResolverListener, ResolverUpdate } from "../src/resolver/resolver.ts";

/** A resolver whose updates are pushed by the test. */
export class ManualResolver {
  /** How often it was started. */
  starts = 0;
  /** How often it was closed. */
  closes = 0;
  /** How often `resolveNow` was called. */
  hints = 0;
  /** Called by each `resolveNow`. */
  onHint: (() => void) | undefined;
  readonly #listeners: ResolverListener[] = [];
  readonly #first: ResolverUpdate | undefined;

  /** `first` is pushed before the factory returns. */
  constructor(first?: ResolverUpdate) {
    this.#first = first;
  }

  readonly factory: ResolverFactory = (_target, listener): Resolver => {
    this.starts++;
    this.#listeners.push(listener);
    if (this.#first !== undefined) listener(this.#first);
    return {
      resolveNow: () => {
        this.hints++;
        this.onHint?.();
      },
      close: () => {
        this.closes++;
      },
    };
  };

  /** Tells an update as the resolver that was started last, or as the one of that number, counted from 1. */
  push(update: ResolverUpdate, start: number = this.starts): void {
    const listener = this.#listeners[start - 1];
    if (listener === undefined) throw new Error(`the resolver was started ${this.starts} times`);
    listener(update);
  }

  endpoints(endpoints: readonly Endpoint[]): void {
    this.push({ kind: "endpoints", endpoints });
  }

  error(message: string): void {
    this.push({ kind: "error", error: new Error(message) });
  }

  notFound(message: string): void {
    this.push({ kind: "notFound", error: new Error(message) });
  }
}
