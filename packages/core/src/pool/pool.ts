import type { Clock, Timer } from "../clock.ts";
import type { Connection, Connector } from "../connection/connection.ts";
import type { Endpoint } from "../endpoint/endpoint.ts";
import { StatusCode, StatusError } from "../errors.ts";
import type { Random } from "../random.ts";
import { DialLimiter } from "./dial-limiter.ts";
import type { MemberContext } from "./member.ts";
import { reconcile } from "./reconcile.ts";
import { Subchannel } from "./subchannel.ts";

/** Dials under way at a time, so that a large set does not exhaust file descriptors. */
const maxDials = 32;
/** An RPC that finds nothing ready dials an endpoint whose last dial is this old, in milliseconds. */
const staleDialMs = 1_000;

export interface PoolOptions {
  readonly target: string;
  readonly connector: Connector;
  readonly clock: Clock;
  readonly random: Random;
  readonly connectTimeoutMs: number;
  /** How long a connection that left the set may finish its streams. */
  readonly drainTimeoutMs: number;
  /** To one endpoint. */
  readonly maxConnectionsPerEndpoint: number;
  /** What is ready, or the state of the others, changed. */
  changed(): void;
  capacity(): void;
  suspected(): void;
}

/** Owns the connections: a subchannel for each endpoint of the set. */
export class Pool {
  readonly #options: PoolOptions;
  readonly #context: MemberContext;
  readonly #limiter = new DialLimiter(maxDials);
  readonly #subchannels = new Map<string, Subchannel>();
  /** Connections that finish their streams; those that left the set with the timer that ends them by force. */
  readonly #draining = new Map<Connection, Timer | undefined>();
  /** Those that left the set, until they are closed. */
  readonly #leaving = new Set<Subchannel>();
  #closed = false;
  #emptied: PromiseWithResolvers<void> | undefined;

  constructor(options: PoolOptions) {
    this.#options = options;
    const { target, connector, clock, random, connectTimeoutMs, changed, capacity, suspected } = options;
    this.#context = {
      ...{ target, connector, clock, random, connectTimeoutMs, changed, capacity, suspected },
      limiter: this.#limiter,
      retired: (connection, unwanted) =>
        this.#draining.set(connection, unwanted ? this.#limitDrain(connection) : undefined),
      ended: (connection) => this.#forget(connection),
    };
  }

  get subchannels(): Iterable<Subchannel> {
    return this.#subchannels.values();
  }

  get draining(): Iterable<Connection> {
    return this.#draining.keys();
  }

  /** Those that RPCs may be sent to; the ones that stay keep their order. Suspects only where all are. */
  get ready(): readonly Subchannel[] {
    const ready = [...this.#subchannels.values()].filter(({ state }) => state === "ready");
    const trusted = ready.filter(({ suspect }) => !suspect);
    return trusted.length > 0 ? trusted : ready;
  }

  /** Makes the subchannels fit the set: dials what is new, then parts with what left it. Does nothing once closed. */
  update(endpoints: readonly Endpoint[]): void {
    if (this.#closed) return;
    const current = new Map([...this.#subchannels].map(([key, { endpoint }]) => [key, endpoint]));
    const { added, updated, removed } = reconcile(current, endpoints);
    for (const { key } of removed) {
      const subchannel = this.#subchannels.get(key);
      if (subchannel !== undefined) this.#leaving.add(subchannel);
      this.#subchannels.delete(key);
    }
    const { maxConnectionsPerEndpoint } = this.#options;
    const joining = added.map((endpoint) => new Subchannel(endpoint, this.#context, maxConnectionsPerEndpoint));
    for (const subchannel of joining) this.#subchannels.set(subchannel.endpoint.key, subchannel);
    // the sets are complete from here on, for callbacks that come back or close the pool
    for (const endpoint of updated) this.#subchannels.get(endpoint.key)?.update(endpoint);
    for (const subchannel of joining) subchannel.dial();
    this.#options.changed();
    this.#closeAll(this.#leaving);
    this.#leaving.clear();
    this.#limitDrains(({ endpoint }) => !this.#subchannels.has(endpoint.key));
  }

  /** Cuts the backoff of endpoints short that were not dialled lately. Returns whether any dials now. */
  dialStale(): boolean {
    let dials = false;
    for (const subchannel of this.#subchannels.values()) dials = subchannel.dialIfOlder(staleDialMs) || dials;
    return dials;
  }

  /** Lets every connection finish its streams. Resolves when the last is gone. */
  async close(): Promise<void> {
    this.#closed = true;
    const subchannels = [...this.#subchannels.values(), ...this.#leaving];
    this.#subchannels.clear();
    this.#closeAll(subchannels);
    this.#limitDrains(() => true);
    if (this.#draining.size === 0) return;
    this.#emptied ??= Promise.withResolvers();
    await this.#emptied.promise;
  }

  /** Ends every connection at once. */
  destroy(reason: Error): void {
    void this.close();
    for (const connection of [...this.#draining.keys()]) connection.destroy(reason);
  }

  #closeAll(subchannels: Iterable<Subchannel>): void {
    this.#limiter.hold(() => {
      for (const subchannel of subchannels) subchannel.close();
    });
  }

  /** A connection that GOAWAY retired may take the time that its peer allows, but only while its endpoint is wanted. */
  #limitDrains(isUnwanted: (connection: Connection) => boolean): void {
    for (const [connection, timer] of this.#draining) {
      if (timer === undefined && isUnwanted(connection)) this.#draining.set(connection, this.#limitDrain(connection));
    }
  }

  #limitDrain(connection: Connection): Timer {
    const { clock, drainTimeoutMs } = this.#options;
    return clock.setTimeout(() => {
      const message = `${connection.label} is not wanted any more, and its streams did not finish within ${drainTimeoutMs} ms`;
      connection.destroy(new StatusError(StatusCode.unavailable, message));
    }, drainTimeoutMs);
  }

  #forget(connection: Connection): void {
    this.#draining.get(connection)?.cancel();
    this.#draining.delete(connection);
    if (this.#draining.size > 0) return;
    this.#emptied?.resolve();
    this.#emptied = undefined;
  }
}
