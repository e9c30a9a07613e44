import type { Timer } from "../clock.ts";
import type { Connection } from "../connection/connection.ts";
import type { Endpoint } from "../endpoint/endpoint.ts";
import type { Candidate } from "../load/candidate.ts";
import { Member, type MemberContext } from "./member.ts";

/** A further connection that had no RPC for this long, in milliseconds, at the most twice this, is closed. */
const idleConnectionMs = 30_000;
/** After a further connection failed, none is dialled for this long, in milliseconds: gRPC's first backoff. */
const growthPauseMs = 1_000;

/**
 * One endpoint with its connections: one, and up to `maxConnections` while RPCs find those that it has full (gRFC A105).
 * RPCs go to the first that has room, so that the others become idle and are closed when there is less to do.
 */
export class Subchannel implements Candidate {
  readonly #context: MemberContext;
  readonly #maxConnections: number;
  /** The first dials again for as long as the endpoint is wanted; the others end with their connection. */
  readonly #members: [Member, ...Member[]];
  /** Former connections that finish their streams. */
  readonly #retired = new Set<Connection>();
  /** Further connections that an RPC was sent on since the last look. */
  readonly #used = new Set<Connection>();
  #look: Timer | undefined;
  #growsAt = Number.NEGATIVE_INFINITY;

  constructor(endpoint: Endpoint, context: MemberContext, maxConnections: number) {
    this.#maxConnections = maxConnections;
    this.#context = {
      ...context,
      changed: () => {
        this.#order();
        context.changed();
      },
      retired: (connection, unwanted) => {
        this.#retired.add(connection);
        context.retired(connection, unwanted);
      },
      ended: (connection) => {
        this.#retired.delete(connection);
        context.ended(connection);
      },
    };
    this.#members = [new Member(endpoint, this.#context)];
  }

  get endpoint(): Endpoint {
    return this.#members[0].endpoint;
  }

  get state(): Member["state"] {
    return this.#members[0].state;
  }

  /** RPCs under way on its connections, the former ones included. */
  get inFlight(): number {
    let sum = this.#members[0].connection?.inFlight ?? 0;
    for (let index = 1; index < this.#members.length; index++) sum += this.#members[index]?.connection?.inFlight ?? 0;
    if (this.#retired.size > 0) for (const { inFlight } of this.#retired) sum += inFlight;
    return sum;
  }

  /** Whether no peer of its ready connections answers at the moment. */
  get suspect(): boolean {
    return this.#members.every(({ state, suspect }) => state !== "ready" || suspect);
  }

  /** Those that are made, healthy or not. */
  get connections(): readonly Connection[] {
    return this.#members.flatMap(({ connection }) => connection ?? []);
  }

  /** The connection for another stream; `undefined` while none has room for it. Suspects only where all are. */
  get roomy(): Connection | undefined {
    let suspect: Connection | undefined;
    for (const member of this.#members) {
      const connection = member.state === "ready" ? member.roomy : undefined;
      if (connection === undefined) continue;
      if (!connection.suspect) return connection;
      suspect ??= connection;
    }
    return suspect === undefined || this.suspect ? suspect : undefined;
  }

  /** The connection for another stream, which is opened on it. */
  take(): Connection | undefined {
    const connection = this.roomy;
    if (this.#members.length > 1 && connection !== undefined) this.#used.add(connection);
    return connection;
  }

  get lastError(): Error | undefined {
    return this.#members[0].lastError;
  }

  get failedAt(): number {
    return this.#members[0].failedAt;
  }

  /** How long the dial of the first connection took, in milliseconds; 0 where none is made. */
  get dialMs(): number {
    return this.#members[0].dialMs;
  }

  update(endpoint: Endpoint): void {
    for (const member of [...this.#members]) member.update(endpoint);
  }

  dial(): void {
    this.#members[0].dial();
  }

  dialIfOlder(ageMs: number): boolean {
    return this.#members[0].dialIfOlder(ageMs);
  }

  /** Whether a dial is under way, or a connection's health not known yet. */
  get isDialling(): boolean {
    return this.#members.some(({ isDialling }) => isDialling);
  }

  /** Dials a further connection, unless there are as many as may be, or one is being dialled. Returns whether it does. */
  grow(): boolean {
    const [{ endpoint }] = this.#members;
    if (this.#members.length >= this.#maxConnections || this.state !== "ready" || this.isDialling) return false;
    if (this.#context.clock.now() < this.#growsAt) return false;
    const member = new Member(endpoint, this.#context);
    this.#members.push(member);
    this.#look ??= this.#lookForIdle();
    member.dial();
    return true;
  }

  /** Gives up: ready connections finish their streams. */
  close(): void {
    this.#look?.cancel();
    for (const member of this.#members) member.close();
  }

  /** Puts a ready connection first, and ends further ones that were lost. */
  #order(): void {
    if (this.#members.length === 1) return;
    const ready = this.#members.findIndex(({ state }) => state === "ready");
    if (ready > 0) this.#members.unshift(...this.#members.splice(ready, 1));
    for (const member of this.#members.slice(1)) {
      if (member.state === "ready" || member.state === "connecting") continue;
      this.#growsAt = this.#context.clock.now() + growthPauseMs;
      this.#end(member);
    }
  }

  #lookForIdle(): Timer {
    return this.#context.clock.setTimeout(() => {
      for (const member of this.#members.slice(1)) {
        const { connection } = member;
        if (connection?.inFlight === 0 && !this.#used.has(connection)) this.#end(member);
      }
      this.#used.clear();
      this.#look = this.#members.length > 1 ? this.#lookForIdle() : undefined;
    }, idleConnectionMs);
  }

  #end(member: Member): void {
    const index = this.#members.indexOf(member);
    if (index <= 0) return;
    this.#members.splice(index, 1);
    member.close();
  }
}
