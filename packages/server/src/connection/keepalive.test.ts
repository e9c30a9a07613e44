import { FakeClock } from "@evenkeel/testing";
import { expect, test } from "vitest";
import { eventLoopTurns } from "../../test-helpers/event-loop-turns.ts";
import { Keepalive } from "./keepalive.ts";

interface Link {
  readonly clock: FakeClock;
  readonly settings: { keepaliveTimeMs: number; keepaliveTimeoutMs: number; readonly clock: FakeClock };
  readonly keepalive: Keepalive;
  readonly log: string[];
  bytesRead: number;
  canPing: boolean;
}

function start(keepaliveTimeMs = 1_000): Link {
  const clock = new FakeClock();
  const settings = { keepaliveTimeMs, keepaliveTimeoutMs: 200, clock };
  const log: string[] = [];
  const link = { clock, settings, log, bytesRead: 0, canPing: true };
  const keepalive = new Keepalive(settings, {
    bytesRead: () => link.bytesRead,
    sendPing: () => {
      log.push(link.canPing ? "ping" : "no ping");
      return link.canPing;
    },
    onDead: () => log.push("dead"),
  });
  return Object.assign(link, { keepalive });
}

test("a silent peer gets a PING after keepaliveTimeMs, and is dead after keepaliveTimeoutMs more", async () => {
  const { clock, log } = start();
  clock.tick(999);
  expect(log).toEqual([]);
  clock.tick(1);
  expect(log).toEqual(["ping"]);
  clock.tick(199);
  await eventLoopTurns();
  expect(log).toEqual(["ping"]);
  clock.tick(1);
  await eventLoopTurns();
  expect(log).toEqual(["ping", "dead"]);
  expect(clock.pending).toBe(0);
});

test("whatever it sends is a sign of life, before the PING and after it", async () => {
  const link = start();
  for (let second = 0; second < 5; second++) {
    link.bytesRead += 10;
    link.clock.tick(1_000);
  }
  expect(link.log).toEqual([]);
  link.clock.tick(1_000);
  expect(link.log).toEqual(["ping"]);
  link.bytesRead += 17;
  link.clock.tick(200);
  await eventLoopTurns();
  link.clock.tick(999);
  expect(link.log).toEqual(["ping"]);
  link.clock.tick(1);
  expect(link.log).toEqual(["ping", "ping"]);
});

test("a peer that cannot be asked is not dead, and is asked when it can be", async () => {
  const link = start();
  link.canPing = false;
  for (let round = 0; round < 3; round++) {
    link.clock.tick(1_000);
    await eventLoopTurns();
  }
  expect(link.log).toEqual(["no ping", "no ping", "no ping"]);
  link.canPing = true;
  link.clock.tick(1_000);
  link.clock.tick(200);
  await eventLoopTurns();
  expect(link.log.slice(3)).toEqual(["ping", "dead"]);
});

test("what has arrived while this process was busy counts", async () => {
  const link = start();
  link.clock.tick(1_000);
  link.clock.tick(200);
  link.bytesRead += 17; // read in the poll that follows the late timer
  await eventLoopTurns();
  expect(link.log).toEqual(["ping"]);
});

test("stopped at any moment it does nothing more", async () => {
  for (const ms of [0, 999, 1_000, 1_100, 1_200]) {
    const link = start();
    link.clock.tick(ms);
    const { length } = link.log;
    link.keepalive.stop();
    link.keepalive.review();
    link.clock.tick(10_000);
    await eventLoopTurns();
    expect(link.log).toHaveLength(length);
    expect(link.clock.pending).toBe(0);
  }
});

test("Infinity is never, and may change", () => {
  const link = start(Number.POSITIVE_INFINITY);
  expect(link.clock.pending).toBe(0);
  link.settings.keepaliveTimeMs = 10;
  link.keepalive.review();
  link.clock.tick(10);
  expect(link.log).toEqual(["ping"]);
});

test("changes of other limits, however often, do not put off the PING, nor hide its answer", async () => {
  const link = start();
  for (let step = 0; step < 10; step++) {
    link.clock.tick(100);
    link.keepalive.review();
  }
  expect(link.log).toEqual(["ping"]);
  link.bytesRead += 17;
  link.clock.tick(200);
  link.keepalive.review(); // while the timeout waits for its poll
  await eventLoopTurns();
  expect(link.log).toEqual(["ping"]);
  link.settings.keepaliveTimeMs = 500;
  link.keepalive.review();
  link.clock.tick(500);
  expect(link.log).toEqual(["ping", "ping"]);
});

test("a change of keepaliveTimeMs while the timeout waits for its poll kills nobody", async () => {
  const link = start();
  link.clock.tick(1_000);
  link.bytesRead += 17;
  link.clock.tick(200);
  link.settings.keepaliveTimeMs = 500;
  link.keepalive.review();
  await eventLoopTurns();
  expect(link.log).toEqual(["ping"]);
});
