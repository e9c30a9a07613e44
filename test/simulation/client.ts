import {
  type Channel,
  type Clock,
  type Connection,
  isFailure,
  type Outcome,
  type PickHandler,
  type Random,
  type ServerLoad,
  StatusCode,
  StatusError,
  type Timer,
} from "@evenkeel/core";
import { type Request, SimulatedConnection } from "./connection.ts";
import { type Distribution, exponential } from "./distributions.ts";

/** What is counted of the RPCs of all clients. */
export interface Observer {
  /** An attempt was given to that endpoint, the first of its RPC or a further one. */
  attempted(client: Client, endpointKey: string, isRetry: boolean): void;
  /** An RPC ended. `timedOut`: by its deadline. */
  ended(startedAt: number, durationMs: number, result: "ok" | "failed" | "timedOut"): void;
}

export interface ClientOptions {
  readonly clock: Clock;
  readonly channel: Channel;
  readonly zone: string | undefined;
  readonly rps: number;
  readonly work: Distribution;
  /** Draws what an RPC is about; `undefined`: nothing. */
  readonly drawKey: ((random: Random) => string) | undefined;
  /** For arrivals and work: the same for every policy. */
  readonly random: Random;
  readonly deadlineMs: number | undefined;
  /** Whether failures that speak against the endpoint are tried again elsewhere. */
  readonly retries: boolean;
  readonly observer: Observer;
}

/** Attempts of one RPC. */
const maxAttempts = 3;

/** Sends RPCs at random times, whatever became of those before (Poisson arrivals). */
export class Client {
  readonly options: ClientOptions;
  readonly #pause: Distribution;
  #isStopped = false;

  constructor(options: ClientOptions) {
    this.options = options;
    this.#pause = exponential(1_000 / options.rps);
  }

  start(): void {
    const { clock, random, work, drawKey } = this.options;
    const next = (): void => {
      if (this.#isStopped) return;
      new Rpc(this, work(random), drawKey?.(random)).start();
      clock.setTimeout(next, this.#pause(random));
    };
    clock.setTimeout(next, this.#pause(random));
  }

  stop(): void {
    this.#isStopped = true;
  }
}

/** One RPC, and its attempt under way. */
class Rpc implements PickHandler, Request {
  readonly workMs: number;
  readonly key: string | undefined;
  readonly path = "/demo.v1.Demo/Call";
  avoid: Set<string> | undefined;
  readonly #client: Client;
  readonly #startedAt: number;
  #deadline: Timer | undefined;
  #attempts = 0;
  #connection: Connection | undefined;
  #pickedAt = 0;
  #giveUp: () => void = () => {};
  #isOver = false;

  constructor(client: Client, workMs: number, key: string | undefined) {
    this.#client = client;
    this.workMs = workMs;
    this.key = key;
    this.#startedAt = client.options.clock.now();
  }

  header(name: string): string | undefined {
    return name === "x-key" ? this.key : undefined;
  }

  start(): void {
    const { clock, channel, deadlineMs } = this.#client.options;
    channel.retryBudget.deposit();
    if (deadlineMs !== undefined) this.#deadline = clock.setTimeout(() => this.#timeOut(), deadlineMs);
    channel.pick(this, this);
  }

  picked(connection: Connection): void {
    if (!(connection instanceof SimulatedConnection)) throw new Error("the connection is not of the simulation");
    const { clock, observer, channel } = this.#client.options;
    if (this.#isOver) {
      channel.report(connection, this, this.#outcome(StatusCode.deadlineExceeded, "unsent"));
      return;
    }
    this.#attempts++;
    this.#connection = connection;
    this.#pickedAt = clock.now();
    this.#giveUp = connection.send(this);
    observer.attempted(this.#client, connection.endpoint.key, this.#attempts > 1);
  }

  failed(): void {
    if (!this.#isOver) this.#end("failed");
  }

  answered(code: StatusCode, load: ServerLoad): void {
    const outcome = this.#outcome(code, "answered", load);
    this.#report(outcome);
    if (code === StatusCode.ok) this.#end("ok");
    else this.#endOrRetry(outcome);
  }

  lost(error: Error): void {
    const code = error instanceof StatusError ? error.code : StatusCode.unavailable;
    const outcome = this.#outcome(code, "ambiguous");
    this.#report(outcome);
    this.#endOrRetry(outcome);
  }

  #timeOut(): void {
    this.#giveUp();
    if (this.#connection !== undefined) this.#report(this.#outcome(StatusCode.deadlineExceeded, "ambiguous"));
    this.#end("timedOut");
  }

  #endOrRetry(outcome: Outcome): void {
    const { channel, retries } = this.#client.options;
    const mayRetry = retries && isFailure(outcome) && this.#attempts < maxAttempts;
    if (!mayRetry || !channel.retryBudget.withdraw()) {
      this.#end("failed");
      return;
    }
    channel.pick(this, this);
  }

  #end(result: "ok" | "failed" | "timedOut"): void {
    const { clock, observer } = this.#client.options;
    this.#isOver = true;
    this.#deadline?.cancel();
    observer.ended(this.#startedAt, clock.now() - this.#startedAt, result);
  }

  #report(outcome: Outcome): void {
    const connection = this.#connection as Connection;
    this.#connection = undefined;
    this.#giveUp = () => {};
    if (this.#client.options.retries && outcome.code !== StatusCode.ok) {
      this.avoid ??= new Set();
      this.avoid.add(connection.endpoint.key);
    }
    this.#client.options.channel.report(connection, this, outcome);
  }

  #outcome(code: StatusCode, fate: Outcome["fate"], load?: ServerLoad): Outcome {
    const durationMs = this.#client.options.clock.now() - this.#pickedAt;
    return { code, fate, durationMs, firstByteMs: fate === "answered" ? durationMs : undefined, load };
  }
}
