import type {
  Clock,
  Connection,
  ConnectionHealth,
  ConnectionListener,
  Connector,
  Endpoint,
  Random,
  RequestHead,
  Stream,
  StreamListener,
} from "@evenkeel/core";
import type { CheckedPeer, Checker } from "./checker.ts";

export interface CheckedConnectionOptions {
  readonly connector: Connector;
  readonly createChecker: (peer: CheckedPeer) => Checker;
  readonly clock: Clock;
  readonly random: Random;
  /** Something that a person should look at. */
  readonly warn: (message: string) => void;
}

/** A connection whose health is checked on it, from the moment that it takes streams until it takes no more. */
export class CheckedConnection implements Connection, CheckedPeer {
  readonly clock: Clock;
  readonly random: Random;
  readonly #inner: Connection;
  readonly #listener: ConnectionListener;
  readonly #checker: Checker;
  readonly #warn: (message: string) => void;
  #health: ConnectionHealth = { state: "pending", reason: "nothing was heard of its health yet" };

  constructor(endpoint: Endpoint, options: CheckedConnectionOptions, listener: ConnectionListener) {
    this.clock = options.clock;
    this.random = options.random;
    this.#listener = listener;
    this.#warn = options.warn;
    this.#checker = options.createChecker(this);
    this.#inner = options.connector.connect(endpoint, {
      ready: () => {
        listener.ready();
        this.#checker.start();
      },
      capacity: () => listener.capacity(),
      suspicion: () => listener.suspicion(),
      goaway: (goaway) => {
        this.#checker.stop();
        listener.goaway(goaway);
      },
      closed: (end) => {
        this.#checker.stop();
        listener.closed(end);
      },
    });
  }

  // what its owner sees

  get endpoint(): Endpoint {
    return this.#inner.endpoint;
  }

  set endpoint(endpoint: Endpoint) {
    this.#inner.endpoint = endpoint;
  }

  get label(): string {
    return this.#inner.label;
  }

  get inFlight(): number {
    return this.#inner.inFlight;
  }

  get maxStreams(): number {
    return this.#inner.maxStreams;
  }

  get answered(): number {
    return this.#inner.answered;
  }

  get suspect(): boolean {
    return this.#inner.suspect;
  }

  get health(): ConnectionHealth {
    return this.#health;
  }

  open(head: RequestHead, listener: StreamListener): Stream {
    return this.#inner.open(head, listener);
  }

  drain(): void {
    this.#checker.stop();
    this.#inner.drain();
  }

  destroy(reason: Error): void {
    this.#checker.stop();
    this.#inner.destroy(reason);
  }

  // what its checker sees besides

  get hasRoom(): boolean {
    return this.inFlight < this.maxStreams;
  }

  tell(state: ConnectionHealth["state"], reason: string): void {
    if (this.#health.state === state && this.#health.reason === reason) return;
    this.#health = { state, reason };
    this.#listener.health?.();
  }

  warn(reason: string): void {
    this.#warn(`${this.label}: ${reason}`);
  }
}
