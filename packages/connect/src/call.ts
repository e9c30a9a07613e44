import { Code, type ConnectError } from "@connectrpc/connect";
import type {
  Channel,
  Clock,
  Connection,
  HeaderList,
  PickHandler,
  PickInfo,
  Random,
  RequestHead,
  RetryBudget,
  StatusCode,
  Stream,
  StreamEnd,
  StreamFate,
  StreamListener,
  Timer,
} from "@evenkeel/core";
import type { CallScope, Deadline, Scoped } from "./call-scope.ts";
import { type BrokenEnd, brokenError, toConnectError } from "./errors.ts";
import { noHeaders } from "./headers.ts";
import type { MethodPlan } from "./method-plan.ts";
import type { ProtocolOptions } from "./options.ts";
import type { Protocol } from "./protocol.ts";
import type { RequestHeaders } from "./request-headers.ts";
import { Tries } from "./tries.ts";

/** What the calls of a transport share. */
export interface CallContext {
  readonly channel: Channel;
  readonly budget: RetryBudget;
  readonly clock: Clock;
  readonly random: Random;
  readonly options: ProtocolOptions;
}

export interface CallInit {
  readonly context: CallContext;
  readonly plan: MethodPlan;
  readonly protocol: Protocol;
  readonly scope: CallScope;
  /** Whether the scope is of this call alone, and ends with it. */
  readonly ownsScope: boolean;
  /** What is left of the timeout is told to the server. */
  readonly deadline: Deadline;
}

/** What is sent before the body, in every attempt. */
export interface WireRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: RequestHeaders;
}

/** How long, and for how many bytes, a response that nobody waits for may take to end by itself. */
const lingerMs = 1_000;
const lingerBytes = 64 * 1024;

/**
 * One RPC on the wire: the attempt loop. Picks a connection, opens a stream, reports the outcome of every attempt
 * once, and begins anew where `Tries` says so. At most one stream is open at a time, so that all of them can have the
 * call itself as their listener.
 */
export abstract class Call implements PickHandler, StreamListener, Scoped {
  protected readonly context: CallContext;
  protected readonly plan: MethodPlan;
  protected readonly protocol: Protocol;
  protected readonly scope: CallScope;
  protected trailer: HeaderList = noHeaders;
  protected readonly ownsScope: boolean;
  readonly #deadline: Deadline;
  readonly #startedMs: number;
  #info: PickInfo;
  #request: WireRequest | undefined;
  /** Of the attempt under way, until its outcome is reported. */
  #connection: Connection | undefined;
  #stream: Stream | undefined;
  #end: StreamEnd | undefined;
  #pickedMs = 0;
  #firstByteMs: number | undefined;
  #tries: Tries | undefined;
  /** Before the next attempt, or until a stream is cancelled that lingers. */
  #timer: Timer | undefined;
  #lingered = 0;
  #isSettled = false;

  constructor({ context, plan, protocol, scope, ownsScope, deadline }: CallInit) {
    this.context = context;
    this.plan = plan;
    this.protocol = protocol;
    this.scope = scope;
    this.ownsScope = ownsScope;
    this.#deadline = deadline;
    this.#info = plan.info;
    this.#startedMs = context.clock.now();
    context.budget.deposit();
    scope.add(this);
  }

  /** Sends the request, or its first messages. */
  protected abstract send(stream: Stream): void;
  /** The head of the response. May throw the error of the call. */
  protected abstract respond(status: number, headers: HeaderList): void;
  /** Bytes of the response's body. May throw the error of the call. */
  protected abstract receive(chunk: Uint8Array): void;
  /** END_STREAM arrived. Has to `succeed` or to `fail`. */
  protected abstract complete(): void;
  /** The call failed. */
  protected abstract rejected(error: ConnectError): void;
  /** Whether all of the request was sent. */
  protected abstract readonly isSent: boolean;
  /** Whether another attempt can send all of the request. */
  protected abstract readonly isReplayable: boolean;
  /** Whether the caller has got part of the response, so that no other attempt can follow. */
  protected abstract readonly isAnswering: boolean;

  protected get isSettled(): boolean {
    return this.#isSettled;
  }

  protected get stream(): Stream | undefined {
    return this.#stream;
  }

  /** Begins the first attempt. */
  protected start(request: WireRequest): void {
    this.#request = request;
    this.#pick();
  }

  picked(connection: Connection): void {
    if (this.#isSettled) return;
    this.#connection = connection;
    this.#pickedMs = this.context.clock.now();
    this.#firstByteMs = undefined;
    this.#end = undefined;
    this.trailer = noHeaders;
    try {
      this.#stream = connection.open(this.#head(), this);
    } catch (thrown) {
      const error = toConnectError(thrown);
      this.#end = { kind: "broken", fate: "unsent", errorCode: undefined, error };
      this.fail(error);
      return;
    }
    this.send(this.#stream);
  }

  failed(error: Error): void {
    this.fail(this.scope.error ?? toConnectError(error, Code.Unavailable));
  }

  ended(error: ConnectError): void {
    this.fail(error);
  }

  headers(status: number, headers: HeaderList): void {
    if (this.#isSettled) return;
    this.#firstByteMs = this.context.clock.now() - this.#pickedMs;
    try {
      this.respond(status, headers);
    } catch (error) {
      this.#misunderstood(error);
    }
  }

  data(chunk: Uint8Array): void {
    if (this.#isSettled) {
      this.#lingered += chunk.byteLength;
      if (this.#lingered > lingerBytes) this.#cancel(abandoned);
      return;
    }
    try {
      this.receive(chunk);
    } catch (error) {
      this.#misunderstood(error);
    }
  }

  abstract drained(): void;

  trailers(trailers: HeaderList): void {
    this.trailer = trailers;
  }

  closed(end: StreamEnd): void {
    this.#end = end;
    this.#stream = undefined;
    if (this.#isSettled) {
      this.#timer?.cancel();
      return;
    }
    if (end.kind === "complete") this.complete();
    else this.#broken(end);
  }

  /** Leaves the scope, and ends it if it is the call's own. */
  protected release(): void {
    this.scope.remove(this);
    if (this.ownsScope) this.scope.close();
  }

  /** The call is done well. */
  protected succeed(): void {
    this.#settle();
    this.#report(0);
  }

  /**
   * Ends the call. Its stream is cancelled; one whose peer has said all that counts, `linger`, may end by itself: servers
   * count resets.
   */
  protected fail(error: ConnectError, linger = false): void {
    if (this.#isSettled) return;
    this.#settle();
    this.#report(error.code as number as StatusCode);
    if (linger && this.isSent && this.#stream !== undefined) {
      this.#timer = this.context.clock.setTimeout(() => this.#cancel(error), lingerMs);
    } else this.#cancel(error);
    this.rejected(error);
  }

  #pick(): void {
    this.context.channel.pick(this.#info, this, this.scope.outerSignal);
  }

  #head(): RequestHead {
    const { method, path, headers } = this.#request as WireRequest;
    const endStream = method === "GET";
    const { shared, own, hasTimeout } = headers;
    if (!hasTimeout) return { method, path, headers: shared, furtherHeaders: own, endStream };
    const { timeoutMs = 0, deadlineMs } = this.#deadline;
    const left = Math.min(Math.max(deadlineMs - this.#pickedMs, 1), timeoutMs);
    const timeout = [this.protocol.timeoutHeader, this.protocol.timeoutValue(left)] as const;
    return {
      method,
      path,
      headers: shared,
      furtherHeaders: own.length === 0 ? [timeout] : [...own, timeout],
      endStream,
    };
  }

  /** The response is not what it should be. */
  #misunderstood(error: unknown): void {
    this.fail(toConnectError(error), true);
  }

  #broken(end: BrokenEnd): void {
    // a server may reset what is late a moment before our timer fires
    const error = this.scope.expired() ?? brokenError(end);
    if (this.#isSettled) return; // by its scope
    const connection = this.#connection as Connection;
    this.#report(error.code as number as StatusCode);
    if (this.isAnswering) {
      this.fail(error);
      return;
    }
    this.#tries ??= new Tries({
      isIdempotent: this.plan.isIdempotent,
      budget: this.context.budget,
      clock: this.context.clock,
      random: this.context.random,
      startedMs: this.#startedMs,
    });
    const wait = this.#tries.waitBeforeNext(connection, end);
    if (wait === undefined) this.fail(this.#tries.describe(error));
    else if (!this.isReplayable) {
      this.fail(this.#tries.describe(error, "too much of the request was sent to keep it"));
    } else this.#again(wait, this.#tries);
  }

  #again(wait: number, tries: Tries): void {
    this.#info = { path: this.plan.info.path, avoid: tries.endpoints };
    const pick = (): void => {
      if (!this.#isSettled) this.#pick();
    };
    // not within the event: what else it says of the connection counts for the pick
    if (wait === 0) queueMicrotask(pick);
    else this.#timer = this.context.clock.setTimeout(pick, wait, { ref: true });
  }

  #cancel(reason: Error): void {
    this.#timer?.cancel();
    const stream = this.#stream;
    this.#stream = undefined;
    stream?.cancel(reason);
  }

  #settle(): void {
    this.#isSettled = true;
    this.#timer?.cancel();
    this.release();
  }

  #report(code: StatusCode): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    this.#connection = undefined;
    const end = this.#end;
    const isAnswered = end === undefined ? this.#firstByteMs !== undefined : end.kind === "complete";
    const fate: StreamFate = isAnswered ? "answered" : end?.kind === "broken" ? end.fate : "ambiguous";
    const durationMs = this.context.clock.now() - this.#pickedMs;
    this.context.channel.report(connection, this.#info, { code, fate, firstByteMs: this.#firstByteMs, durationMs });
  }
}

const abandoned = new Error("the response went on after its RPC had ended");
