import type { ApiResource } from "./resource.ts";

export type ApiVerb = "get" | "list" | "watch";

/** Which requests are meant; what is not given is any. */
export interface ApiRequestFilter {
  readonly verb?: ApiVerb;
  readonly resource?: ApiResource;
  readonly namespace?: string;
}

/** What requests get instead of their answer. */
export interface ApiFault extends ApiRequestFilter {
  /**
   * An HTTP status from 400 to 599; `reset` resets the connection, `silence` never answers. A watch gets a 410 as the
   * real server gives it: as an event, with HTTP status 200.
   */
  readonly status: number | "reset" | "silence";
  /** How many requests get it: 1 or more. Default: all, until it is taken back. */
  readonly times?: number;
  /** Default: what the real server says. */
  readonly message?: string;
  /** Seconds in the header `Retry-After`, 1 or more. Default: 1 with 429, else none. */
  readonly retryAfterSeconds?: number;
}

/** What a request is, as faults and permissions look at it. */
export interface FaultySubject {
  readonly verb: string | undefined;
  readonly resource: string | undefined;
  readonly namespace: string | undefined;
}

/** The faults and denials in force. */
export class Faults {
  readonly #faults = new Map<object, { readonly fault: ApiFault; left: number }>();
  readonly #denials = new Map<object, ApiRequestFilter>();

  /** Throws a `TypeError` or `RangeError` that names the option. Returns what takes it back. */
  fail(fault: ApiFault): () => void {
    const { status, times = Number.POSITIVE_INFINITY, retryAfterSeconds } = fault;
    checkFilter(fault);
    if (status !== "reset" && status !== "silence" && !(Number.isInteger(status) && status >= 400 && status < 600)) {
      throw new RangeError(`status: expected an integer from 400 to 599, "reset" or "silence", got ${status}`);
    }
    if (!(times >= 1) || (times !== Number.POSITIVE_INFINITY && !Number.isInteger(times))) {
      throw new RangeError(`times: expected an integer from 1, got ${times}`);
    }
    if (retryAfterSeconds !== undefined && !(Number.isInteger(retryAfterSeconds) && retryAfterSeconds >= 1)) {
      throw new RangeError(`retryAfterSeconds: expected an integer from 1, got ${retryAfterSeconds}`);
    }
    const id = {};
    this.#faults.set(id, { fault, left: times });
    return () => void this.#faults.delete(id);
  }

  /** As above. */
  deny(filter: ApiRequestFilter): () => void {
    checkFilter(filter);
    const id = {};
    this.#denials.set(id, filter);
    return () => void this.#denials.delete(id);
  }

  /** The fault that a request gets, the oldest first; one time of it is used up. */
  take(subject: FaultySubject): ApiFault | undefined {
    for (const [id, entry] of this.#faults) {
      if (!meets(entry.fault, subject)) continue;
      if (--entry.left === 0) this.#faults.delete(id);
      return entry.fault;
    }
    return undefined;
  }

  denies(subject: FaultySubject): boolean {
    return [...this.#denials.values()].some((filter) => meets(filter, subject));
  }
}

function meets({ verb, resource, namespace }: ApiRequestFilter, subject: FaultySubject): boolean {
  return (
    (verb === undefined || verb === subject.verb) &&
    (resource === undefined || resource === subject.resource) &&
    (namespace === undefined || namespace === subject.namespace)
  );
}

const verbs: readonly unknown[] = ["get", "list", "watch", undefined];
const resources: readonly unknown[] = ["endpointslices", "services", undefined];

function checkFilter(filter: ApiRequestFilter): void {
  if (typeof filter !== "object" || filter === null) throw new TypeError("expected an object, {} for all requests");
  const { verb, resource, namespace } = filter;
  if (!verbs.includes(verb))
    throw new TypeError(`verb: expected "get", "list" or "watch", got ${JSON.stringify(verb)}`);
  if (!resources.includes(resource)) {
    throw new TypeError(`resource: expected "endpointslices" or "services", got ${JSON.stringify(resource)}`);
  }
  if (namespace !== undefined && typeof namespace !== "string") {
    throw new TypeError(`namespace: expected a name, got ${JSON.stringify(namespace)}`);
  }
}
