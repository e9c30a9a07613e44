import { Code, ConnectError } from "@connectrpc/connect";
import type { Clock, Timer } from "@evenkeel/core";
import { leftError } from "./errors.ts";

/** What ends with its scope. */
export interface Scoped {
  /** The deadline passed, or the caller aborted. */
  ended(error: ConnectError): void;
}

export interface Deadline {
  readonly timeoutMs: number | undefined;
  /** By the clock; `Infinity` without a deadline. */
  readonly deadlineMs: number;
}

/** What ends a call from outside: its deadline, and its caller's signal. */
export class CallScope implements Deadline {
  readonly deadlineMs: number;
  readonly timeoutMs: number | undefined;
  readonly #clock: Clock;
  readonly #given: AbortSignal | undefined;
  #timer: Timer | undefined;
  #controller: AbortController | undefined;
  #calls: Scoped[] = [];
  #error: ConnectError | undefined;
  /** What the signal aborts with: what the caller gave, or the error. */
  #reason: unknown;
  #isOver = false;
  /** What the call failed with, if nothing from outside ended it. */
  #failure: ConnectError | undefined;
  /** Whether others than we have the signal: the only ones to tell of an end that is no abort. */
  #isShown = false;
  /** Called once when the scope ends, with the error if it is one. */
  onClose: ((error: Error | undefined) => void) | undefined;

  constructor(clock: Clock, signal: AbortSignal | undefined, timeoutMs: number | undefined) {
    this.#clock = clock;
    this.#given = signal;
    this.timeoutMs = timeoutMs;
    if (timeoutMs === undefined) this.deadlineMs = Number.POSITIVE_INFINITY;
    else {
      this.deadlineMs = clock.now() + timeoutMs;
      // an RPC that may wait for its deadline is pending
      this.#timer = clock.setTimeout(() => this.#expire(), timeoutMs, { ref: true });
    }
    if (signal === undefined) return;
    if (signal.aborted) this.handleEvent();
    else signal.addEventListener("abort", this);
  }

  /** Why it has ended from outside; `undefined` while it has not. */
  get error(): ConnectError | undefined {
    return this.#error;
  }

  /** Why no call can begin in it any more; `undefined` while one can. */
  get ending(): ConnectError | undefined {
    if (this.#error !== undefined || !this.#isOver) return this.#error;
    return this.#failure ?? new ConnectError("This operation was aborted", Code.Canceled);
  }

  /** Aborts when the scope ends, for whatever reason. Made when it is first asked for. */
  get signal(): AbortSignal {
    this.#isShown = true;
    return this.#makeSignal();
  }

  /** Aborts when the scope ends from outside; `undefined` when nothing can end it so. */
  get outerSignal(): AbortSignal | undefined {
    return this.timeoutMs === undefined && this.#controller === undefined ? this.#given : this.#makeSignal();
  }

  owns(signal: AbortSignal): boolean {
    return signal === this.#controller?.signal;
  }

  /** The deadline's error, once it has passed, also where its timer is late. */
  expired(): ConnectError | undefined {
    if (this.#error === undefined && this.timeoutMs !== undefined && this.#clock.now() >= this.deadlineMs)
      this.#expire();
    return this.#error;
  }

  add(call: Scoped): void {
    this.#calls.push(call);
  }

  remove(call: Scoped): void {
    const index = this.#calls.indexOf(call);
    if (index >= 0) this.#calls.splice(index, 1);
  }

  /** The call is over, and what interceptors left under way. Its signal aborts for those who still listen. */
  close(): void {
    this.#close(undefined);
  }

  /** The call failed. Returns its error: what ended it from outside, if anything did. */
  fail(reason: unknown): ConnectError {
    const error = this.#error ?? ConnectError.from(reason);
    this.#close(error);
    return error;
  }

  /** Ends the call from outside. */
  abort(error: ConnectError): void {
    this.#end(error, error);
  }

  /** The response is not read on. */
  leave(): void {
    this.abort(leftError());
  }

  /** The caller's signal aborted. */
  handleEvent(): void {
    const reason: unknown = this.#given?.reason;
    this.#end(ConnectError.from(reason, Code.Canceled), reason);
  }

  #expire(): void {
    this.abort(new ConnectError("the operation timed out", Code.DeadlineExceeded));
  }

  #end(error: ConnectError, reason: unknown): void {
    if (this.#error !== undefined || this.#isOver) return;
    this.#error = error;
    this.#reason = reason;
    this.#timer?.cancel();
    this.#given?.removeEventListener("abort", this);
    this.#endCalls(error);
    this.#controller?.abort(reason);
    this.onClose?.(error);
  }

  #endCalls(error: ConnectError): void {
    for (const call of [...this.#calls]) call.ended(error);
  }

  #close(error: ConnectError | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#error !== undefined) return;
    this.#failure = error;
    this.#reason = error;
    this.#timer?.cancel();
    this.#given?.removeEventListener("abort", this);
    const isLeft = this.#calls.length > 0;
    if (isLeft) this.#endCalls(this.ending as ConnectError);
    if (this.#isShown || isLeft) this.#controller?.abort(error);
    this.onClose?.(error);
  }

  #makeSignal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#error !== undefined || this.#isOver) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }
}
