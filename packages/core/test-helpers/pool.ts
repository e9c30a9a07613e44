import { FakeClock, type ScriptedConnection, ScriptedConnector, seededRandom } from "@evenkeel/testing";
import type { Connection } from "../src/connection/connection.ts";
import type { Endpoint } from "../src/endpoint/endpoint.ts";
import { DialLimiter } from "../src/pool/dial-limiter.ts";
import { Member, type MemberContext } from "../src/pool/member.ts";
import { Pool, type PoolOptions } from "../src/pool/pool.ts";

/** How often the owner of a pool, or of a member, was told each thing. */
export interface Told {
  changed: number;
  capacity: number;
  suspected: number;
}

export interface MemberHarness {
  readonly clock: FakeClock;
  readonly connector: ScriptedConnector;
  readonly limiter: DialLimiter;
  readonly member: Member;
  readonly told: Told;
  readonly retired: { readonly connection: Connection; readonly unwanted: boolean }[];
  readonly ended: Connection[];
  /** The connection that was dialled last. */
  readonly latest: () => ScriptedConnection;
}

/** One member, which has not dialled. `random` 0.5 makes every jitter the middle of its range. */
export function memberHarness(endpoint: Endpoint, options: Partial<MemberContext> = {}): MemberHarness {
  const clock = new FakeClock();
  const connector = new ScriptedConnector();
  const limiter = new DialLimiter(32);
  const told: Told = { changed: 0, capacity: 0, suspected: 0 };
  const retired: { connection: Connection; unwanted: boolean }[] = [];
  const ended: Connection[] = [];
  const member = new Member(endpoint, {
    target: "http://orders:8080",
    connector,
    clock,
    random: () => 0.5,
    limiter,
    connectTimeoutMs: 5_000,
    changed: () => told.changed++,
    capacity: () => told.capacity++,
    suspected: () => told.suspected++,
    retired: (connection, unwanted) => retired.push({ connection, unwanted }),
    ended: (connection) => ended.push(connection),
    ...options,
  });
  return { clock, connector, limiter, member, told, retired, ended, latest: () => connector.latest(endpoint.key) };
}

export interface PoolHarness {
  readonly clock: FakeClock;
  readonly connector: ScriptedConnector;
  readonly pool: Pool;
  readonly told: Told;
}

export function poolHarness(options: Partial<PoolOptions> = {}): PoolHarness {
  const clock = new FakeClock();
  const connector = new ScriptedConnector();
  const told: Told = { changed: 0, capacity: 0, suspected: 0 };
  const pool = new Pool({
    target: "http://orders:8080",
    connector,
    clock,
    random: seededRandom(1),
    connectTimeoutMs: 5_000,
    drainTimeoutMs: 30_000,
    maxConnectionsPerEndpoint: 1,
    changed: () => told.changed++,
    capacity: () => told.capacity++,
    suspected: () => told.suspected++,
    ...options,
  });
  return { clock, connector, pool, told };
}
