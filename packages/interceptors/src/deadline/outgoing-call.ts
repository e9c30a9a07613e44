import { Code, ConnectError } from "@connectrpc/connect";
import type { Clock, Timer } from "@evenkeel/core";
import { observeMessages } from "../observed-messages.ts";
import type { IncomingCall } from "./incoming-call.ts";

/** A call that ends with the incoming one that it is made for, and leaves nothing behind when it ends by itself. */
export class OutgoingCall {
  readonly #incoming: IncomingCall;
  /** Aborts for the call's own reasons: its caller's signal, its own deadline, or its end. */
  readonly #own: AbortSignal;
  readonly #controller = new AbortController();
  #timer: Timer | undefined;
  /** Why it was ended. */
  #error: ConnectError | undefined;

  constructor(incoming: IncomingCall, own: AbortSignal) {
    this.#incoming = incoming;
    this.#own = own;
  }

  /** What the transport is to heed instead of the call's own signal, which aborts this one, too. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /**
   * Ends with its own signal, with the incoming call, and after `timeoutMs` if that is given. Throws if that is now.
   */
  begin(clock: Clock, timeoutMs: number | undefined): void {
    for (const signal of [this.#own, this.#incoming.signal]) {
      if (signal.aborted) this.#abortedBy(signal);
      else signal.addEventListener("abort", this);
    }
    if (timeoutMs !== undefined && timeoutMs <= 0) this.#abort(timeError());
    if (this.#error !== undefined) throw this.#error;
    // the incoming call keeps the process alive
    if (timeoutMs !== undefined) this.#timer = clock.setTimeout(() => this.#abort(timeError()), timeoutMs);
  }

  /** Its messages, for one reader. */
  read<T>(messages: AsyncIterable<T>): AsyncIterable<T> {
    return observeMessages(messages, { end: () => this.#end(), translate: (error) => this.#error ?? error });
  }

  /** It was answered. */
  succeed(): void {
    this.#end();
  }

  /** It failed. @returns its error, which is the incoming call's if that was the cause. */
  fail(error: unknown): unknown {
    this.#end();
    return this.#error ?? error;
  }

  handleEvent(event: Event): void {
    this.#abortedBy(event.target as AbortSignal);
  }

  #abortedBy(signal: AbortSignal): void {
    if (signal === this.#incoming.signal) this.#abort(endError(signal.reason));
    else {
      this.#end();
      this.#controller.abort(signal.reason);
    }
  }

  #abort(error: ConnectError): void {
    if (this.signal.aborted) return;
    this.#error = error;
    this.#end();
    this.#controller.abort(error);
  }

  #end(): void {
    this.#timer?.cancel();
    this.#own.removeEventListener("abort", this);
    this.#incoming.signal.removeEventListener("abort", this);
  }
}

function timeError(): ConnectError {
  return new ConnectError("the deadline of the incoming RPC leaves no more time", Code.DeadlineExceeded);
}

function endError(reason: unknown): ConnectError {
  const isLate = ConnectError.from(reason, Code.Canceled).code === Code.DeadlineExceeded;
  return isLate
    ? new ConnectError("the deadline of the incoming RPC passed", Code.DeadlineExceeded, undefined, undefined, reason)
    : new ConnectError("the incoming RPC was cancelled, or has ended", Code.Canceled, undefined, undefined, reason);
}
