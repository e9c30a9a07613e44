/** What a client asked for. */
export interface ApiRequest {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  /** As permissions name it: "get", "list", "watch", "create" …; `undefined` where it is none of a resource. */
  readonly verb: string | undefined;
  readonly resource: string | undefined;
  readonly namespace: string | undefined;
  /** The parameters that matter most, as they were given. */
  readonly resourceVersion: string | undefined;
  readonly limit: string | undefined;
  readonly continue: string | undefined;
  /** When it came, in milliseconds of `performance.now()`. */
  readonly at: number;
  /** HTTP status of the answer; `undefined` while there is none. */
  readonly status: number | undefined;
}

/** As it is filled in. */
export type OpenRequest = { -readonly [Field in keyof ApiRequest]: ApiRequest[Field] };

const limit = 10_000;

/** The last 10 000 requests. */
export class RequestLog {
  #requests: ApiRequest[] = [];

  get requests(): readonly ApiRequest[] {
    return this.#requests.slice(-limit);
  }

  add(request: ApiRequest): void {
    this.#requests.push(request);
    if (this.#requests.length >= 2 * limit) this.#requests = this.#requests.slice(-limit);
  }
}
