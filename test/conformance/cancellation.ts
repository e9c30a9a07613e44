import type { ClientCompatRequest } from "./gen/proto/connectrpc/conformance/v1/client_compat_pb.ts";

/** Aborts `signal` at the moment that the request names, if it names one. */
export class Cancellation {
  readonly #abort = new AbortController();
  readonly #cancel: ClientCompatRequest["cancel"];
  #timer: NodeJS.Timeout | undefined;

  constructor(request: ClientCompatRequest) {
    this.#cancel = request.cancel;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** All requests are sent, and the end of the requests is not. */
  beforeCloseSend(): void {
    if (this.#cancel?.cancelTiming.case === "beforeCloseSend") this.#abort.abort();
  }

  /** The end of the requests is sent, or about to be. */
  afterCloseSend(): void {
    if (this.#cancel === undefined) return;
    const timing = this.#cancel.cancelTiming;
    if (timing.case !== undefined && timing.case !== "afterCloseSendMs") return;
    this.#timer = setTimeout(() => this.#abort.abort(), timing.value ?? 0);
  }

  /** `count` responses have been received so far. */
  afterResponse(count: number): void {
    const timing = this.#cancel?.cancelTiming;
    if (timing?.case === "afterNumResponses" && timing.value === count) this.#abort.abort();
  }

  /** The RPC has ended: nothing is left to cancel. */
  end(): void {
    clearTimeout(this.#timer);
  }
}
