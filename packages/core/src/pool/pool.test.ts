import { seededRandom } from "@evenkeel/testing";
import { describe, expect, test } from "vitest";
import { keysOf, pod, pods, sample, shuffled, subsetOf } from "../../test-helpers/endpoints.ts";
import { callOn } from "../../test-helpers/events.ts";
import { type PoolHarness, poolHarness } from "../../test-helpers/pool.ts";
import { isSettled } from "../../test-helpers/promises.ts";
import { openStream } from "../../test-helpers/streams.ts";
import type { Endpoint } from "../endpoint/endpoint.ts";
import type { Pool, PoolOptions } from "./pool.ts";

function readyPool(endpoints: readonly Endpoint[], options: Partial<PoolOptions> = {}): PoolHarness {
  const harness = poolHarness(options);
  harness.pool.update(endpoints);
  for (const connection of harness.connector.open) connection.becomeReady();
  return harness;
}

const statesOf = (pool: Pool): string[] => Array.from(pool.subchannels, ({ state }) => state);
const readyKeys = (pool: Pool): string[] => pool.ready.map(({ endpoint }) => endpoint.key);

describe("the pool", () => {
  test("makes one connection to each endpoint, and lists the ready ones in the order of the set", () => {
    const { connector, pool } = poolHarness();
    pool.update(pods(3));
    expect(connector.dials).toEqual(["pod-1", "pod-2", "pod-3"]);
    expect(pool.ready).toEqual([]);
    connector.latest("pod-3").becomeReady();
    connector.latest("pod-1").becomeReady();
    expect(readyKeys(pool)).toEqual(["pod-1", "pod-3"]);
    expect(statesOf(pool)).toEqual(["ready", "connecting", "ready"]);
  });

  test("keeps the order of those that stay when the set changes", () => {
    const { connector, pool } = readyPool(pods(3));
    pool.update([pod(4), pod(3), pod(1)]);
    connector.latest("pod-4").becomeReady();
    expect(readyKeys(pool)).toEqual(["pod-1", "pod-3", "pod-4"]);
  });

  test("never touches the connections of endpoints that stay", () => {
    const { connector, pool } = readyPool(pods(4));
    const before = connector.open;
    pool.update([...pods(4).reverse(), pod(5)]);
    pool.update(pods(4).map((endpoint) => ({ ...endpoint, weight: 7 })));
    expect(connector.open).toEqual(before);
    expect(connector.dials).toHaveLength(5);
  });

  test("makes at most 32 dials at a time, in the order of the set, and makes them all in the end", () => {
    const { connector, pool } = poolHarness();
    pool.update(pods(100));
    const random = seededRandom(12);
    let ready = 0;
    while (ready < 100) {
      const dialling = connector.open.filter(({ state }) => state === "connecting");
      expect(dialling.length).toBe(Math.min(32, 100 - ready));
      sample(random, dialling).becomeReady();
      ready++;
    }
    expect(connector.dials).toEqual(keysOf(pods(100)));
    expect(pool.ready).toHaveLength(100);
  });

  test("goes on to dial the others when the first 32 are refused or time out", () => {
    const { clock, connector, pool } = poolHarness();
    pool.update(pods(80));
    for (const connection of connector.open) connection.refuse(new Error("refused"));
    expect(new Set(connector.dials)).toEqual(new Set(keysOf(pods(64))));
    clock.tick(5_000);
    expect(new Set(connector.dials)).toEqual(new Set(keysOf(pods(80))));
    expect(connector.open.length).toBeLessThanOrEqual(32);
  });

  test("lists suspects only where all are, and tells each change", () => {
    const { connector, pool, told } = readyPool(pods(3));
    const before = told.changed;
    connector.latest("pod-2").changeSuspect(true);
    expect(readyKeys(pool)).toEqual(["pod-1", "pod-3"]);
    connector.latest("pod-1").changeSuspect(true);
    connector.latest("pod-3").changeSuspect(true);
    expect(readyKeys(pool)).toEqual(["pod-1", "pod-2", "pod-3"]);
    connector.latest("pod-2").changeSuspect(false);
    expect(readyKeys(pool)).toEqual(["pod-2"]);
    expect(told.changed).toBe(before + 4);
    expect(statesOf(pool)).toEqual(["ready", "ready", "ready"]);
  });

  test("publishes the ready connections without those that leave before it parts with them", () => {
    const drainingKeys = (pool: Pool): string[] => Array.from(pool.draining, ({ endpoint }) => endpoint.key);
    let seen: string[] = [];
    let onChanged = (): void => {};
    const harness = readyPool(pods(2), { changed: () => onChanged() });
    onChanged = () => {
      seen = [...readyKeys(harness.pool), ...drainingKeys(harness.pool)];
    };
    const leaving = harness.connector.latest("pod-2");
    openStream(leaving);
    harness.pool.update(pods(1));
    expect(seen).toEqual(["pod-1"]);
    expect(leaving.draining).toBe(true);
    expect(drainingKeys(harness.pool)).toEqual(["pod-2"]);
  });
});

describe("an endpoint that leaves the set", () => {
  test("gets no new RPCs, finishes its streams, and its connection closes", () => {
    const { clock, connector, pool } = readyPool(pods(2));
    const leaving = connector.latest("pod-2");
    const ends = openStream(leaving);
    pool.update(pods(1));
    expect(readyKeys(pool)).toEqual(["pod-1"]);
    expect(leaving.state).toBe("ready");
    clock.tick(29_999);
    leaving.lastStream.respond();
    leaving.lastStream.complete();
    expect(ends).toEqual([{ kind: "complete" }]);
    expect(leaving.state).toBe("closed");
    expect([...pool.draining]).toEqual([]);
    expect(clock.pending).toBe(0);
  });

  test("has its streams ended when they do not finish within the drain timeout", () => {
    const { clock, connector, pool } = readyPool(pods(2));
    const ends = openStream(connector.latest("pod-2"));
    pool.update(pods(1));
    clock.tick(29_999);
    expect(ends).toEqual([]);
    clock.tick(1);
    expect(ends).toEqual([
      expect.objectContaining({
        kind: "broken",
        fate: "ambiguous",
        error: expect.objectContaining({ message: expect.stringContaining("within 30000 ms") }),
      }),
    ]);
    expect(clock.pending).toBe(0);
  });

  test("has the drain timeout also for a connection that GOAWAY had retired before", () => {
    const { clock, connector, pool } = readyPool(pods(2));
    clock.tick(5_000);
    const retired = connector.latest("pod-2");
    openStream(retired);
    retired.sendGoaway();
    connector.latest("pod-2").becomeReady();
    clock.tick(120_000);
    expect(retired.state).toBe("ready"); // its endpoint is wanted: the server decides how long it may take
    pool.update(pods(1));
    clock.tick(30_000);
    expect(retired.state).toBe("closed");
    expect([...pool.draining]).toEqual([]);
  });

  test.each(["connecting", "queued", "backoff"] as const)("leaves nothing behind when it was %s", (phase) => {
    const { clock, connector, pool } = poolHarness();
    const last = phase === "queued" ? 40 : 1;
    pool.update(pods(last));
    if (phase === "backoff") connector.latest("pod-1").refuse(new Error("refused"));
    pool.update([]);
    expect(connector.open).toEqual([]);
    expect(clock.pending).toBe(0);
    expect([...pool.subchannels]).toEqual([]);
    expect([...pool.draining]).toEqual([]);
  });

  test("is not dialled any more when it leaves together with those that hold the places", () => {
    const { connector, pool } = poolHarness();
    pool.update(pods(100));
    pool.update([pod(100)]);
    expect(connector.dials).toEqual([...keysOf(pods(32)), "pod-100"]);
  });

  test("that comes back gets a new connection, while the old one finishes its streams", () => {
    const { connector, pool } = readyPool(pods(1));
    const old = connector.latest("pod-1");
    const ends = openStream(old);
    pool.update([]);
    pool.update(pods(1));
    expect(connector.dials).toEqual(["pod-1", "pod-1"]);
    expect(pool.ready).toEqual([]);
    connector.latest("pod-1").becomeReady();
    expect(pool.ready.flatMap(({ connections }) => connections)).toEqual([connector.latest("pod-1")]);
    old.lastStream.respond();
    old.lastStream.complete();
    expect(ends).toEqual([{ kind: "complete" }]);
    expect(pool.ready.flatMap(({ connections }) => connections)).toEqual([connector.latest("pod-1")]);
  });
});

describe("the stale dials of a pool", () => {
  test("are those whose last dial began 1 s ago or longer", () => {
    const { clock, connector, pool } = poolHarness({ random: () => 0.999 });
    pool.update([pod(1)]);
    connector.latest("pod-1").refuse(new Error("refused"));
    clock.tick(500);
    pool.update(pods(2));
    connector.latest("pod-2").refuse(new Error("refused"));
    expect(pool.dialStale()).toBe(false);
    clock.tick(500);
    expect(pool.dialStale()).toBe(true);
    expect(connector.dials).toEqual(["pod-1", "pod-2", "pod-1"]);
    expect(pool.dialStale()).toBe(false);
    clock.tick(500);
    expect(pool.dialStale()).toBe(true);
    expect(connector.dials).toEqual(["pod-1", "pod-2", "pod-1", "pod-2"]);
  });
});

describe("a pool that is closed", () => {
  test("resolves when the last connection is gone, and lets streams finish", async () => {
    const { clock, connector, pool } = readyPool(pods(3));
    const ends = openStream(connector.latest("pod-2"));
    const closed = pool.close();
    expect(connector.open).toEqual([connector.latest("pod-2")]);
    expect(await isSettled(closed)).toBe(false);
    connector.latest("pod-2").lastStream.respond();
    connector.latest("pod-2").lastStream.complete();
    await closed;
    expect(ends).toEqual([{ kind: "complete" }]);
    expect(clock.pending).toBe(0);
  });

  test("resolves every call of close", async () => {
    const { connector, pool } = readyPool(pods(1));
    openStream(connector.latest("pod-1"));
    const closes = [pool.close(), pool.close()];
    expect(await isSettled(Promise.race(closes))).toBe(false);
    connector.latest("pod-1").lose(new Error("ECONNRESET"));
    await Promise.all(closes);
    await pool.close();
  });

  test("resolves at once when nothing was ready", async () => {
    const { clock, connector, pool } = poolHarness();
    pool.update(pods(40));
    connector.latest("pod-1").refuse(new Error("refused"));
    await pool.close();
    expect(connector.open).toEqual([]);
    expect(clock.pending).toBe(0);
  });

  test("dials none of those that waited for their turn", async () => {
    const { connector, pool } = poolHarness();
    pool.update(pods(100));
    await pool.close();
    expect(connector.dials).toHaveLength(32);
  });

  test("ends the streams that do not finish within the drain timeout, also of connections that GOAWAY had retired", async () => {
    const { clock, connector, pool } = readyPool(pods(2));
    clock.tick(5_000);
    for (const key of ["pod-1", "pod-2"]) openStream(connector.latest(key));
    connector.latest("pod-1").sendGoaway();
    const closed = pool.close();
    await clock.advance(29_999);
    expect(connector.open).toHaveLength(2);
    await clock.advance(1);
    expect(connector.open).toEqual([]);
    await closed;
    expect(clock.pending).toBe(0);
  });

  test("takes no endpoints any more", async () => {
    const { connector, pool } = readyPool(pods(1));
    await pool.close();
    pool.update(pods(3));
    expect(connector.dials).toHaveLength(1);
    expect([...pool.subchannels]).toEqual([]);
  });
});

describe("a pool that is destroyed", () => {
  test("ends every stream and every connection with the reason, in whatever phase they are", () => {
    const { clock, connector, pool } = poolHarness();
    pool.update(pods(40));
    clock.tick(1);
    connector.latest("pod-1").becomeReady();
    connector.latest("pod-2").becomeReady();
    connector.latest("pod-3").refuse(new Error("refused"));
    const ends = openStream(connector.latest("pod-1"));
    openStream(connector.latest("pod-2"), ends);
    pool.update(pods(40).filter(({ key }) => key !== "pod-2"));
    const reason = new Error("enough");
    pool.destroy(reason);
    expect(ends).toEqual([
      expect.objectContaining({ kind: "broken", error: reason }),
      expect.objectContaining({ kind: "broken", error: reason }),
    ]);
    expect(connector.open).toEqual([]);
    expect(clock.pending).toBe(0);
  });

  test("may be destroyed while it is closing, which ends the close", async () => {
    const { connector, pool } = readyPool(pods(1));
    openStream(connector.latest("pod-1"));
    const closed = pool.close();
    pool.destroy(new Error("enough"));
    await closed;
    expect(connector.open).toEqual([]);
  });

  test.each(["connection.closed", "connection.goaway", "connection.ready"] as const)(
    "leaves nothing behind when that happens in the middle of %s",
    (name) => {
      const harness = readyPool(pods(3));
      const { clock, connector, pool } = harness;
      clock.tick(5_000);
      let calls = 0;
      openStream(connector.latest("pod-3"));
      callOn(name, () => {
        if (calls++ === 0) pool.destroy(new Error("enough"));
      });
      if (name === "connection.goaway") connector.latest("pod-1").sendGoaway();
      // moves pod-1, which closes its connection, adds two, and lets pod-3 go, whose stream is open
      pool.update([pod(1, { host: "10.9.9.9" }), pod(2), pod(4), pod(5)]);
      if (name === "connection.ready") connector.latest("pod-4").becomeReady();
      expect(calls).toBeGreaterThan(0);
      expect(connector.open).toEqual([]);
      expect(clock.pending).toBe(0);
    },
  );

  test("leaves nothing behind when that happens while it tells that its set changed", () => {
    let onChanged = (): void => {};
    const harness = readyPool(pods(3), { changed: () => onChanged() });
    openStream(harness.connector.latest("pod-3"));
    onChanged = () => harness.pool.destroy(new Error("enough"));
    harness.pool.update(pods(1));
    expect(harness.connector.open).toEqual([]);
    expect(harness.clock.pending).toBe(0);
  });
});

test("any sequence of sets ends with one connection for each endpoint of the last", () => {
  const random = seededRandom(21);
  for (let round = 0; round < 60; round++) {
    const { clock, connector, pool } = poolHarness({ random });
    let set: Endpoint[] = [];
    for (let step = 0; step < 30; step++) {
      set = shuffled(random, subsetOf(random, pods(8))).map((endpoint) =>
        random() < 0.1 ? { ...endpoint, weight: 3 } : endpoint,
      );
      pool.update(set);
      for (const connection of connector.open) {
        if (connection.state === "connecting" && random() < 0.5) connection.becomeReady();
        else if (connection.state === "connecting" && random() < 0.3) connection.refuse(new Error("refused"));
        else if (connection.state === "ready" && !connection.draining && random() < 0.2) openStream(connection);
        else if (connection.state === "ready" && random() < 0.1) connection.lose(new Error("ECONNRESET"));
      }
      if (random() < 0.3) clock.tick(random() * 3_000);
    }
    expect(keysOf(Array.from(pool.subchannels, ({ endpoint }) => endpoint)).sort()).toEqual(keysOf(set).sort());
    for (let turn = 0; turn < 3; turn++) {
      for (const { state } of pool.subchannels) expect(["connecting", "transientFailure", "ready"]).toContain(state);
      clock.tick(12_000);
      for (const connection of connector.open) if (connection.state === "connecting") connection.becomeReady();
    }
    expect(readyKeys(pool).sort()).toEqual(keysOf(set).sort());
    pool.destroy(new Error("done"));
    expect(connector.open).toEqual([]);
    expect(clock.pending).toBe(0);
  }
});
