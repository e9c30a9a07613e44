import type { Clock, Timer } from "../clock.ts";
import type { Connection, Connector } from "../connection/connection.ts";
import { describeEndpoint, type Endpoint } from "../endpoint/endpoint.ts";
import type { Random } from "../random.ts";
import { DialLimiter } from "./dial-limiter.ts";
import { Member } from "./member.ts";
import { reconcile } from "./reconcile.ts";

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
  /** The ready connections, or the states of the others, changed. */
  changed(): void;
  capacity(): void;
  suspected(): void;
}

/** Owns the connections: one to each endpoint of the set. */
export class Pool {
  readonly #options: PoolOptions;
  readonly #limiter = new DialLimiter(maxDials);
  readonly #members = new Map<string, Member>();
  /** Connections that finish their streams; those that left the set with the timer that ends them by force. */
  readonly #draining = new Map<Connection, Timer | undefined>();
  #emptied: (() => void) | undefined;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  get members(): Iterable<Member> {
    return this.#members.values();
  }

  get draining(): Iterable<Connection> {
    return this.#draining.keys();
  }

  /** The connections that RPCs may be sent on; those that stay keep their order. */
  get ready(): readonly Connection[] {
    return [...this.#members.values()].flatMap(({ connection }) => (connection === undefined ? [] : [connection]));
  }

  /** Makes the members fit the set: dials what is new, then parts with what left it. */
  update(endpoints: readonly Endpoint[]): void {
    const current = new Map([...this.#members].map(([key, member]) => [key, member.endpoint]));
    const { added, updated, removed } = reconcile(current, endpoints);
    for (const endpoint of updated) this.#members.get(endpoint.key)?.update(endpoint);
    for (const endpoint of added) {
      const member = new Member(endpoint, this.#memberContext());
      this.#members.set(endpoint.key, member);
      member.dial();
    }
    const leaving = removed.flatMap(({ key }) => this.#members.get(key) ?? []);
    for (const { key } of removed) this.#members.delete(key);
    this.#options.changed();
    for (const member of leaving) member.close();
  }

  /** Cuts the backoff of endpoints short that were not dialled lately. Returns whether any dials now. */
  dialStale(): boolean {
    let dials = false;
    for (const member of this.#members.values()) dials = member.dialIfOlder(staleDialMs) || dials;
    return dials;
  }

  /** Lets every connection finish its streams. Resolves when the last is gone. */
  async close(): Promise<void> {
    const members = [...this.#members.values()];
    this.#members.clear();
    for (const member of members) member.close();
    if (this.#draining.size === 0) return;
    await new Promise<void>((resolve) => {
      const before = this.#emptied;
      this.#emptied = () => {
        before?.();
        resolve();
      };
    });
  }

  /** Ends every connection at once. */
  destroy(reason: Error): void {
    void this.close();
    for (const connection of [...this.#draining.keys()]) connection.destroy(reason);
  }

  #memberContext(): ConstructorParameters<typeof Member>[1] {
    const { target, connector, clock, random, connectTimeoutMs, changed, capacity, suspected } = this.#options;
    return {
      ...{ target, connector, clock, random, connectTimeoutMs, changed, capacity, suspected },
      limiter: this.#limiter,
      retired: (connection, unwanted) =>
        this.#draining.set(connection, unwanted ? this.#limitDrain(connection) : undefined),
      ended: (connection) => this.#forget(connection),
    };
  }

  #limitDrain(connection: Connection): Timer {
    const { clock, drainTimeoutMs } = this.#options;
    return clock.setTimeout(() => {
      const who = describeEndpoint(connection.endpoint);
      connection.destroy(new Error(`${who} left the set, its streams did not finish within ${drainTimeoutMs} ms`));
    }, drainTimeoutMs);
  }

  #forget(connection: Connection): void {
    this.#draining.get(connection)?.cancel();
    this.#draining.delete(connection);
    if (this.#draining.size > 0) return;
    this.#emptied?.();
    this.#emptied = undefined;
  }
}
