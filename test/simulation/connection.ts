import {
  type Clock,
  type Connection,
  type ConnectionListener,
  type Connector,
  describeEndpoint,
  type Endpoint,
  type ServerLoad,
  type StatusCode,
  type Stream,
} from "@evenkeel/core";
import type { Pod } from "./pod.ts";

/** One attempt, as the connection sees it. */
export interface Request {
  readonly workMs: number;
  readonly key: string | undefined;
  answered(code: StatusCode, load: ServerLoad): void;
  /** The connection ended before the answer. */
  lost(error: Error): void;
}

export interface NetworkOptions {
  readonly clock: Clock;
  /** Of an endpoint's key. */
  readonly podOf: (key: string) => Pod | undefined;
  /** One way, in milliseconds. */
  readonly delayMs: (endpoint: Endpoint) => number;
}

/** As the HTTP/2 connection's suspicion: nothing is read for so long, then a PING is not answered for so long. */
const silenceMs = 1_000;
const pingMs = 250;

/** Connects a client to the pods of a cluster, over a network that only delays. */
export class SimulatedConnector implements Connector {
  readonly #options: NetworkOptions;

  constructor(options: NetworkOptions) {
    this.#options = options;
  }

  connect(endpoint: Endpoint, listener: ConnectionListener): Connection {
    return new SimulatedConnection(endpoint, listener, this.#options);
  }
}

/** A connection that is lost only with its pod's place in the set. */
export class SimulatedConnection implements Connection {
  endpoint: Endpoint;
  readonly label: string;
  readonly maxStreams: number = Number.POSITIVE_INFINITY;
  answered = 0;
  suspect = false;
  readonly #listener: ConnectionListener;
  readonly #clock: Clock;
  readonly #pod: Pod | undefined;
  readonly #delayMs: number;
  readonly #open = new Set<Message>();
  readonly #watch = (): void => this.#podChanged();
  #state: "connecting" | "ready" | "draining" | "closed" = "connecting";
  /** Whether a PING is to be sent, or was. */
  #isWary = false;

  constructor(endpoint: Endpoint, listener: ConnectionListener, { clock, podOf, delayMs }: NetworkOptions) {
    this.endpoint = endpoint;
    this.label = `connection to ${describeEndpoint(endpoint)}`;
    this.#listener = listener;
    this.#clock = clock;
    this.#pod = podOf(endpoint.key);
    this.#delayMs = delayMs(endpoint);
    this.#pod?.watchers.add(this.#watch);
    // SYN and SYN-ACK, then the preface and the peer's SETTINGS
    clock.setTimeout(() => this.#established(), 4 * this.#delayMs);
  }

  get inFlight(): number {
    return this.#open.size;
  }

  open(): Stream {
    throw new Error("requests of the simulation are sent by send()");
  }

  /** Sends a request. The returned function gives it up. */
  send(request: Request): () => void {
    const message = new Message(request);
    this.#open.add(message);
    this.#beWary();
    message.replied = (code, load) => {
      this.#clock.setTimeout(() => {
        if (!this.#open.delete(message)) return;
        this.answered++;
        request.answered(code, load);
        this.#closeIfDrained();
      }, this.#delayMs);
    };
    this.#clock.setTimeout(() => this.#pod?.take(message), this.#delayMs);
    return () => {
      message.isCancelled = true;
      this.#open.delete(message);
      this.#closeIfDrained();
    };
  }

  drain(): void {
    if (this.#state === "closed") return;
    this.#state = "draining";
    this.#closeIfDrained();
  }

  destroy(reason: Error): void {
    if (this.#state !== "closed") this.#close(reason);
  }

  #established(): void {
    if (this.#state !== "connecting" || this.#pod?.isFrozen === true) return; // the thaw comes back to it
    this.#state = "ready";
    this.#listener.ready();
  }

  #podChanged(): void {
    if (this.#pod?.isFrozen === true) {
      this.#beWary();
      return;
    }
    this.#isWary = false;
    this.#clock.setTimeout(() => {
      this.#established();
      this.#changeSuspect(false);
    }, this.#delayMs);
  }

  /** Only a frozen pod leaves PINGs unanswered: the others read, however long their queue is. */
  #beWary(): void {
    if (this.#isWary || this.#pod?.isFrozen !== true || this.#open.size === 0) return;
    this.#isWary = true;
    this.#clock.setTimeout(() => this.#changeSuspect(this.#isWary && this.#open.size > 0), silenceMs + pingMs);
  }

  #changeSuspect(suspect: boolean): void {
    if (this.suspect === suspect || this.#state === "closed") return;
    this.suspect = suspect;
    this.#listener.suspicion();
  }

  #closeIfDrained(): void {
    if (this.#state === "draining" && this.#open.size === 0) this.#close(new Error(`${this.label}: drained`));
  }

  #close(reason: Error): void {
    const lost = [...this.#open];
    this.#state = "closed";
    this.#open.clear();
    this.#pod?.watchers.delete(this.#watch);
    for (const message of lost) {
      message.isCancelled = true;
      message.request.lost(reason);
    }
    this.#listener.closed({ reason, orderly: lost.length === 0, streamsLost: lost.length });
  }
}

/** A request under way. */
class Message {
  readonly request: Request;
  readonly workMs: number;
  readonly key: string | undefined;
  isCancelled = false;
  replied: (code: StatusCode, load: ServerLoad) => void = () => {};

  constructor(request: Request) {
    this.request = request;
    this.workMs = request.workMs;
    this.key = request.key;
  }

  answered(code: StatusCode, load: ServerLoad): void {
    this.replied(code, load);
  }
}
