import { type Clock, messageOf, type Random } from "@evenkeel/core";
import { ApiError } from "../api/api-error.ts";
import type { EndpointSlice } from "../api/endpoint-slice.ts";
import type { Service, ServiceApi } from "../api/service-api.ts";
import { Reflector } from "./reflector.ts";

/** What was learnt of a Service holds for so long, in milliseconds. */
const answerHoldsMs = 30_000;
const answerLimitMs = 5_000;

/** Hears of the slices of one Service. */
export interface SliceListener {
  synced(slices: readonly EndpointSlice[]): void;
  failed(error: Error): void;
}

/** What the API server says of the Service itself. */
export type ServiceAnswer =
  | { readonly kind: "found"; readonly service: Service }
  | { readonly kind: "missing" }
  /** As where only EndpointSlices may be read. */
  | { readonly kind: "unknown"; readonly error: Error };

export interface ServiceWatchOptions {
  readonly api: ServiceApi;
  readonly clock: Clock;
  readonly random: Random;
  /** Nobody listens any more. */
  unused(): void;
}

/** One Service, watched once for everyone in the process. */
export class ServiceWatch {
  readonly #options: ServiceWatchOptions;
  readonly #listeners = new Set<SliceListener>();
  readonly #closing = new AbortController();
  #reflector: Reflector | undefined;
  #slices: readonly EndpointSlice[] | undefined;
  #error: Error | undefined;
  #answer: { readonly at: number; readonly promise: Promise<ServiceAnswer> } | undefined;

  constructor(options: ServiceWatchOptions) {
    this.#options = options;
  }

  /** Tells `listener` what is known, then what happens. Returns what ends that; with the last one the watch ends. */
  add(listener: SliceListener): () => void {
    const own = { ...listener };
    this.#listeners.add(own);
    this.#reflector ??= this.#start();
    if (this.#slices !== undefined) own.synced(this.#slices);
    if (this.#error !== undefined && this.#listeners.has(own)) own.failed(this.#error);
    return () => {
      if (!this.#listeners.delete(own) || this.#listeners.size > 0) return;
      this.#options.unused();
      this.#closing.abort();
      this.#reflector?.close();
    };
  }

  hint(): void {
    this.#reflector?.hint();
  }

  /** Asks for the Service, unless that was done in the last `holdsMs` milliseconds; by default 30 s. */
  service(holdsMs: number = answerHoldsMs): Promise<ServiceAnswer> {
    const now = this.#options.clock.now();
    if (this.#answer === undefined || now - this.#answer.at >= holdsMs) {
      this.#answer = { at: now, promise: this.#askForService() };
    }
    return this.#answer.promise;
  }

  #start(): Reflector {
    const { api, clock, random } = this.#options;
    return new Reflector({
      ...{ api, clock, random },
      synced: (slices) => {
        this.#slices = slices;
        this.#error = undefined;
        this.#tell((listener) => listener.synced(slices));
      },
      failed: (error) => {
        this.#error = error;
        this.#tell((listener) => listener.failed(error));
      },
    });
  }

  #tell(tell: (listener: SliceListener) => void): void {
    for (const listener of [...this.#listeners]) if (this.#listeners.has(listener)) tell(listener);
  }

  async #askForService(): Promise<ServiceAnswer> {
    const { api, clock } = this.#options;
    const late = new AbortController();
    const timer = clock.setTimeout(() => late.abort(new Error(`no answer within ${answerLimitMs} ms`)), answerLimitMs);
    try {
      return { kind: "found", service: await api.service(AbortSignal.any([late.signal, this.#closing.signal])) };
    } catch (thrown) {
      if (thrown instanceof ApiError && thrown.status === 404) {
        this.#answer = undefined; // it may be made at any moment
        return { kind: "missing" };
      }
      const error = late.signal.aborted ? late.signal.reason : thrown;
      return { kind: "unknown", error: error instanceof Error ? error : new Error(messageOf(error)) };
    } finally {
      timer.cancel();
    }
  }
}
