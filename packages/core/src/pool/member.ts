import type { Clock, Timer } from "../clock.ts";
import type { Connection, ConnectionEnd, ConnectionListener, Connector, Goaway } from "../connection/connection.ts";
import type { ConnectivityState } from "../connection/state.ts";
import { describeEndpoint, type Endpoint, formatAddress } from "../endpoint/endpoint.ts";
import { StatusCode, StatusError } from "../errors.ts";
import { publish } from "../events.ts";
import type { Random } from "../random.ts";
import { type BackoffOptions, backoffDelay } from "./backoff.ts";
import type { DialLimiter } from "./dial-limiter.ts";
import { setPatientTimeout } from "./patient-timeout.ts";

/** A connection that was ready this long, in milliseconds, and ends is no failure of its endpoint. */
const provenAfterMs = 1_000;

/** Between dials of an endpoint that sends its connections away in good order before they have proven themselves. */
const dismissalBackoff: BackoffOptions = { initialMs: 50, multiplier: 1.6, maxMs: 1_000, jitter: 0.2 };

/** What the members of a pool share. */
export interface MemberContext {
  readonly target: string;
  readonly connector: Connector;
  readonly clock: Clock;
  readonly random: Random;
  readonly limiter: DialLimiter;
  readonly connectTimeoutMs: number;
  /** The member's state or connection changed. */
  changed(): void;
  /** A connection that was full can take a stream. */
  capacity(): void;
  /** The endpoint may be gone: a connection was lost, refused or told to end. */
  suspected(): void;
  /** A connection finishes its streams, and is the member's no more; `unwanted` ones have a limited time for it. */
  retired(connection: Connection, unwanted: boolean): void;
  /** A retired connection is gone. */
  ended(connection: Connection): void;
}

type Phase =
  | { readonly kind: "idle" }
  /** Waits for the limiter, then dials. */
  | { readonly kind: "queued" }
  | { readonly kind: "connecting"; readonly connection: Connection; readonly timeout: Timer }
  | { readonly kind: "ready"; readonly connection: Connection; readonly since: number }
  | { readonly kind: "backoff"; readonly timer: Timer }
  | { readonly kind: "shutdown" };

/** Keeps one connection to one endpoint: dials, dials again, and gives it up. */
export class Member {
  readonly #context: MemberContext;
  #endpoint: Endpoint;
  #phase: Phase = { kind: "idle" };
  #releaseDial: () => void = () => {};
  #failures = 0;
  /** Connections in a row that ended in good order too soon. */
  #dismissals = 0;
  /** Whether RPCs wait for the dial under way. */
  #awaited = false;
  #dialledAt = Number.NEGATIVE_INFINITY;
  #lastError: Error | undefined;
  #failedAt = Number.NEGATIVE_INFINITY;

  constructor(endpoint: Endpoint, context: MemberContext) {
    this.#endpoint = endpoint;
    this.#context = context;
  }

  get endpoint(): Endpoint {
    return this.#endpoint;
  }

  /**
   * `transientFailure` from the first failed dial until one succeeds, also while it dials again unless for an RPC.
   * A connection with a health check is `connecting` until that has said something, then `ready` only while it is
   * healthy (gRFC A17).
   */
  get state(): Exclude<ConnectivityState, "draining"> {
    const { kind } = this.#phase;
    if (kind === "shutdown") return kind;
    const health = this.connection?.health?.state;
    if (kind === "ready" && (health === undefined || health === "healthy")) return kind;
    // a connection whose watch begins anew has failures of old, and no error
    const isFailing = this.#failures > 0 && !this.#awaited && this.#lastError !== undefined;
    if (health === "unhealthy" || isFailing) return "transientFailure";
    return kind === "idle" ? "idle" : "connecting";
  }

  /** Whether a dial is under way, or its connection's health not known yet. */
  get isDialling(): boolean {
    const { kind } = this.#phase;
    return kind === "queued" || kind === "connecting" || this.connection?.health?.state === "pending";
  }

  /** Whether its peer does not answer at the moment. */
  get suspect(): boolean {
    return this.#phase.kind === "ready" && this.#phase.connection.suspect;
  }

  /** The connection for another stream; `undefined` while it has no room for one. */
  get roomy(): Connection | undefined {
    const connection = this.connection;
    return connection !== undefined && connection.inFlight < connection.maxStreams ? connection : undefined;
  }

  /** One that is made, healthy or not. */
  get connection(): Connection | undefined {
    return this.#phase.kind === "ready" ? this.#phase.connection : undefined;
  }

  /** How long the dial of its connection took, in milliseconds; 0 where none is made. */
  get dialMs(): number {
    return this.#phase.kind === "ready" ? this.#phase.since - this.#dialledAt : 0;
  }

  /** Why the last dial failed, the last connection ended or is unhealthy; none while it is ready. */
  get lastError(): Error | undefined {
    return this.#lastError;
  }

  /** When `lastError` was seen, by the clock. */
  get failedAt(): number {
    return this.#failedAt;
  }

  /** Takes what the resolver now says of the same endpoint, which is dialled anew unless it has the addresses it had. */
  update(endpoint: Endpoint): void {
    const addresses = addressesOf(endpoint);
    const moved = addressesOf(this.#endpoint).some((address) => !addresses.includes(address));
    this.#endpoint = endpoint;
    if (this.#phase.kind === "ready" && !moved) this.#phase.connection.endpoint = endpoint;
    if (!moved) return;
    this.#leave(new Error(`${describeEndpoint(endpoint)} has a new address`), true);
    this.#failures = 0;
    this.dial();
  }

  /** Dials, unless it is at it, ready or shut down. */
  dial(): void {
    if (this.#phase.kind === "backoff") this.#phase.timer.cancel();
    else if (this.#phase.kind !== "idle") return;
    this.#phase = { kind: "queued" };
    this.#releaseDial = this.#context.limiter.acquire(() => this.#connect());
  }

  /** Cuts a backoff short if the last dial began at least `ageMs` ago. Returns whether it dials now. */
  dialIfOlder(ageMs: number): boolean {
    if (this.#phase.kind !== "backoff" || this.#context.clock.now() - this.#dialledAt < ageMs) return false;
    this.#awaited = true;
    this.dial();
    return true;
  }

  /** Gives up: a ready connection finishes its streams. */
  close(): void {
    this.#leave(new Error(`${describeEndpoint(this.#endpoint)} is not wanted any more`), true);
    this.#phase = { kind: "shutdown" };
  }

  #connect(): void {
    const { connector, clock, connectTimeoutMs } = this.#context;
    this.#dialledAt = clock.now();
    const connection: Connection = connector.connect(
      this.#endpoint,
      this.#listen(() => connection),
    );
    const giveUp = (): void => {
      const message = `${connection.label}: not ready after ${connectTimeoutMs} ms (neither refused nor answered)`;
      connection.destroy(new StatusError(StatusCode.unavailable, message));
    };
    const timeout = setPatientTimeout(clock, giveUp, connectTimeoutMs);
    this.#phase = { kind: "connecting", connection, timeout };
  }

  #listen(connection: () => Connection): ConnectionListener {
    let wasReady = false;
    const event = () => ({
      target: this.#context.target,
      endpoint: connection().endpoint,
      connection: connection().label,
    });
    return {
      ready: () => {
        if (!this.#isCurrent(connection()) || this.#phase.kind !== "connecting") return;
        wasReady = true;
        this.#phase.timeout.cancel();
        this.#releaseDial();
        connection().endpoint = this.#endpoint;
        this.#phase = { kind: "ready", connection: connection(), since: this.#context.clock.now() };
        if (this.state === "ready") this.#lastError = undefined;
        publish("connection.ready", event());
        this.#context.changed();
      },
      capacity: () => this.#context.capacity(),
      suspicion: () => {
        publish("connection.suspicion", { ...event(), suspect: connection().suspect });
        if (this.#isCurrent(connection())) this.#context.changed();
      },
      health: () => {
        const { health } = connection();
        if (health !== undefined) publish("connection.health", { ...event(), ...health });
        if (this.#isCurrent(connection())) this.#onHealth(connection());
      },
      goaway: (goaway) => {
        publish("connection.goaway", { ...event(), ...goaway });
        if (this.#isCurrent(connection())) this.#onGoaway(connection(), goaway);
      },
      closed: (end) => {
        publish("connection.closed", { ...event(), ...end, wasReady });
        if (this.#isCurrent(connection())) this.#onLost(connection(), end);
        else this.#context.ended(connection());
      },
    };
  }

  #isCurrent(connection: Connection): boolean {
    const phase = this.#phase;
    return (phase.kind === "connecting" || phase.kind === "ready") && phase.connection === connection;
  }

  #onHealth({ health, label }: Connection): void {
    if (health?.state === "healthy") this.#lastError = undefined;
    else if (health?.state === "unhealthy") {
      this.#fail(new StatusError(StatusCode.unavailable, `${label} is unhealthy: ${health.reason}`));
    }
    this.#context.changed();
  }

  #onGoaway(connection: Connection, goaway: Goaway): void {
    const text = `${connection.label}: GOAWAY with error code ${goaway.errorCode} ${goaway.debugData}`.trimEnd();
    if (this.#phase.kind === "connecting") {
      connection.destroy(new StatusError(StatusCode.unavailable, text)); // `closed` takes it from here
      return;
    }
    const isProven = this.#isProven();
    this.#leave(new StatusError(StatusCode.unavailable, text), false);
    this.#dialAgain(isProven, goaway.errorCode === 0 ? afterOrderlyEnd(connection, isProven) : "failed");
  }

  #onLost(connection: Connection, end: ConnectionEnd): void {
    const isProven = this.#isProven();
    if (this.#phase.kind === "connecting") this.#phase.timeout.cancel();
    this.#phase = { kind: "idle" };
    this.#releaseDial();
    this.#fail(end.reason);
    this.#dialAgain(isProven, isProven || end.orderly ? afterOrderlyEnd(connection, isProven) : "failed");
  }

  #isProven(): boolean {
    return this.#phase.kind === "ready" && this.#context.clock.now() - this.#phase.since >= provenAfterMs;
  }

  #fail(error: Error): void {
    this.#lastError = error;
    this.#failedAt = this.#context.clock.now();
  }

  #dialAgain(isProven: boolean, after: After): void {
    if (this.#phase.kind === "shutdown") return; // by whoever heard of the end
    const { clock, random } = this.#context;
    this.#awaited = false;
    if (isProven) this.#failures = 0;
    switch (after) {
      case "served":
        this.#dismissals = 0;
        this.dial();
        break;
      case "dismissed":
        // the endpoint is well, and RPCs wait for it: this only keeps from dialling in a circle
        this.#failures = 0;
        this.#dismissals++;
        this.#dialAt(this.#dialledAt + backoffDelay(this.#dismissals, random, dismissalBackoff));
        break;
      case "failed":
        this.#failures++;
        this.#dialAt((isProven ? clock.now() : this.#dialledAt) + backoffDelay(this.#failures, random));
        break;
    }
    this.#context.suspected();
    this.#context.changed();
  }

  #dialAt(time: number): void {
    const { clock } = this.#context;
    this.#phase = { kind: "backoff", timer: clock.setTimeout(() => this.dial(), Math.max(0, time - clock.now())) };
  }

  /** Parts with whatever the phase holds. */
  #leave(reason: Error, unwanted: boolean): void {
    const phase = this.#phase;
    this.#phase = { kind: "idle" };
    this.#releaseDial();
    if (phase.kind === "backoff") phase.timer.cancel();
    if (phase.kind === "connecting") {
      phase.timeout.cancel();
      this.#context.retired(phase.connection, unwanted);
      phase.connection.destroy(reason);
    }
    if (phase.kind === "ready") {
      this.#fail(reason);
      this.#context.retired(phase.connection, unwanted);
      phase.connection.drain();
    }
  }
}

/** What a connection's end means for the next dial. */
type After = "served" | "dismissed" | "failed";

/** One that has answered RPCs got something done, however young it was: servers may end connections by their requests. */
function afterOrderlyEnd({ answered }: Connection, isProven: boolean): After {
  return isProven || answered > 0 ? "served" : "dismissed";
}

function addressesOf(endpoint: Endpoint): readonly string[] {
  return endpoint.addresses.map(formatAddress);
}
