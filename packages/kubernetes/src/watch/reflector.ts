import { type BackoffOptions, backoffDelay, type Clock, type Random } from "@evenkeel/core";
import { ApiError } from "../api/api-error.ts";
import { MalformedError } from "../api/checks.ts";
import type { EndpointSlice } from "../api/endpoint-slice.ts";
import { isExpired, type ServiceApi, type WatchEvent } from "../api/service-api.ts";
import { Doubt } from "./doubt.ts";
import { Pause } from "./pause.ts";
import { Silence } from "./silence.ts";

/** The answer to a request may take so long, in milliseconds. */
const answerLimitMs = 30_000;

/**
 * A watch without anything for so long may have stalled. API servers send a bookmark each minute, but only where some
 * slice of the cluster changed, so that in a quiet one a sound watch is as silent.
 */
const stallMs = 90_000;

/** A watch that was open this long was no failure, however it ends. */
const provenAfterMs = 1_000;

/** And this long, the 410 at its end is not one more of those before: lists are dear. */
const steadyAfterMs = 30_000;

/** The longest that a server may order to wait. */
const longestOrderMs = 60_000;

/** Between requests that fail in a row: as client-go's reflector, but sooner at first. */
const apiBackoff: BackoffOptions = { initialMs: 200, multiplier: 2, maxMs: 30_000, jitter: 0.5 };

/** Before a list that follows a 410: every client of the server may have got one at the same time. */
const relistBackoff: BackoffOptions = { initialMs: 1_000, multiplier: 2, maxMs: 15_000, jitter: 1 };

/** A hint cuts a pause short when the last request began this long ago. */
const impatienceMs = 5_000;

export interface ReflectorOptions {
  readonly api: ServiceApi;
  readonly clock: Clock;
  readonly random: Random;
  /** All slices of the Service: at first, after each batch of changes, and when a failure is over. */
  synced(slices: readonly EndpointSlice[]): void;
  /** A request failed. What was synced stays, and the next request follows by itself. */
  failed(error: Error): void;
}

/**
 * Mirrors the slices of one Service: lists them, then watches from the list's version on. A watch that ends is followed
 * by one from the last version that was heard of; where the server has forgotten that (410), by a list.
 */
export class Reflector {
  readonly #options: ReflectorOptions;
  readonly #slices = new Map<string, EndpointSlice>();
  readonly #doubt: Doubt;
  /** Where the next watch begins; `undefined`: a list comes first. */
  #version: string | undefined;
  #phase: Phase = { kind: "starting" };
  #startedAt = 0;
  /** Requests that came to nothing since a watch proved itself, but for those of a forgotten version. */
  #failures = 0;
  /** Versions that the server had forgotten since a watch proved itself. */
  #expiries = 0;
  /** Watches in a row of which nothing was heard. */
  #stalls = 0;
  /** Whether something failed since the last `synced`. */
  #isBehind = false;

  constructor(options: ReflectorOptions) {
    this.#options = options;
    this.#doubt = new Doubt(options.clock, options.random);
    void this.#run();
  }

  /** Something may have changed: a pause is cut short, and a watch that does not tell of it begins anew. */
  hint(): void {
    const phase = this.#phase;
    const isPatient = this.#options.clock.now() - this.#startedAt < impatienceMs;
    if (phase.kind === "pausing" && !phase.isOrdered && !isPatient) phase.pause.end();
    if (phase.kind !== "watching") return;
    const { silence, request } = phase;
    // a watch that began meanwhile is younger than the doubt
    const heardAt = (): number => (this.#phase === phase ? silence.heardAt : Number.POSITIVE_INFINITY);
    this.#doubt.raise(heardAt, () => request.abort(anew));
  }

  /** Ends what is under way. Nothing is told from here on. */
  close(): void {
    const phase = this.#phase;
    this.#phase = { kind: "closed" };
    this.#doubt.end();
    if (phase.kind === "listing" || phase.kind === "watching") phase.request.abort(anew);
    if (phase.kind === "pausing") phase.pause.end();
    this.#options.api.close();
  }

  get #isClosed(): boolean {
    return this.#phase.kind === "closed";
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      this.#startedAt = this.#options.clock.now();
      const error = await this.#ask();
      if (this.#isClosed) return;
      if (error === undefined) continue;
      this.#count(error);
      // every watch gets a first 410 when an API server starts anew
      if (!isExpired(error) || this.#expiries > 1) this.#options.failed(error);
      if (this.#isClosed) return; // by whoever heard of it
      await this.#pauseAfter(error);
    }
  }

  #count(error: Error): void {
    this.#stalls = 0;
    this.#isBehind = true;
    if (isExpired(error)) this.#expiries++;
    else this.#failures++;
    const isUnreadable = error instanceof MalformedError; // and would be so again
    if (isExpired(error) || isForbidden(error) || isUnreadable) this.#version = undefined;
  }

  /** Lists or watches. Resolves to what went wrong, or where the next request may follow at once to `undefined`. */
  async #ask(): Promise<Error | undefined> {
    const request = new AbortController();
    const silence = new Silence(this.#options.clock);
    silence.limit(answerLimitMs, () => request.abort(new Error(`no answer within ${answerLimitMs} ms`)));
    try {
      if (this.#version === undefined) await this.#list(request);
      else await this.#watch(this.#version, request, silence);
      return undefined;
    } catch (thrown) {
      const error = request.signal.aborted ? request.signal.reason : thrown;
      if (error === anew) return undefined;
      return error instanceof Error ? error : new Error(String(error));
    } finally {
      silence.end();
    }
  }

  async #list(request: AbortController): Promise<void> {
    this.#phase = { kind: "listing", request };
    const { slices, version } = await this.#options.api.list(request.signal);
    if (request.signal.aborted) return;
    this.#slices.clear();
    for (const slice of slices) this.#slices.set(slice.metadata.name, slice);
    this.#version = version;
    this.#sync();
  }

  async #watch(version: string, request: AbortController, silence: Silence): Promise<void> {
    const { api, clock } = this.#options;
    this.#phase = { kind: "watching", request, silence };
    let openedAt = Number.POSITIVE_INFINITY;
    const listener = {
      opened: () => {
        if (request.signal.aborted) return;
        openedAt = clock.now();
        silence.limit(stallMs, () => this.#stall(request));
        if (this.#isBehind) this.#sync();
      },
      events: (events: readonly WatchEvent[]) => {
        if (request.signal.aborted) return;
        silence.heard();
        this.#stalls = 0;
        this.#apply(events);
      },
    };
    try {
      await api.watch(version, listener, request.signal);
    } finally {
      if (clock.now() - openedAt >= provenAfterMs) this.#failures = 0;
      if (clock.now() - openedAt >= steadyAfterMs) this.#expiries = 0;
    }
    if (clock.now() - openedAt < provenAfterMs) throw new Error("the API server ended the watch at once");
  }

  /**
   * The server may have been set back to before the version, with its etcd, and be silent until it comes to it again: a
   * list finds out, after 2, 4, 8 … stalls.
   */
  #stall(request: AbortController): void {
    this.#stalls++;
    if (this.#stalls > 1 && Number.isInteger(Math.log2(this.#stalls))) this.#version = undefined;
    request.abort(anew);
  }

  #apply(events: readonly WatchEvent[]): void {
    let changed = false;
    for (const { type, object } of events) {
      const { name, resourceVersion } = object.metadata;
      if (resourceVersion !== undefined) this.#version = resourceVersion;
      if (type === "BOOKMARK") continue;
      if (type === "DELETED") this.#slices.delete(name);
      else this.#slices.set(name, object);
      changed = true;
    }
    if (!changed) return;
    this.#doubt.dispel();
    this.#sync();
  }

  #sync(): void {
    this.#isBehind = false;
    this.#options.synced([...this.#slices.values()]);
  }

  async #pauseAfter(error: Error): Promise<void> {
    const { clock, random } = this.#options;
    const delayMs = isExpired(error)
      ? backoffDelay(this.#expiries, random, relistBackoff)
      : backoffDelay(this.#failures, random, apiBackoff);
    const orderedMs = error instanceof ApiError ? (error.retryAfterMs ?? 0) : 0;
    const pause = new Pause(clock, Math.max(delayMs, Math.min(orderedMs, longestOrderMs) * (1 + random() / 2)));
    this.#phase = { kind: "pausing", pause, isOrdered: orderedMs > 0 };
    await pause.over;
  }
}

/** Where watching is forbidden, listing may not be: a set that is late is better than one that never changes. */
function isForbidden(error: Error): boolean {
  return error instanceof ApiError && error.status === 403;
}

/** Why a request ends that is to be made again at once. */
const anew = Symbol("anew");

type Phase =
  | { readonly kind: "starting" }
  | { readonly kind: "listing"; readonly request: AbortController }
  | { readonly kind: "watching"; readonly request: AbortController; readonly silence: Silence }
  /** `isOrdered`: the server said for how long. */
  | { readonly kind: "pausing"; readonly pause: Pause; readonly isOrdered: boolean }
  | { readonly kind: "closed" };
