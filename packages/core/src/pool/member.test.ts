import { seededRandom } from "@evenkeel/testing";
import { describe, expect, test } from "vitest";
import { pod } from "../../test-helpers/endpoints.ts";
import { callOn, collect } from "../../test-helpers/events.ts";
import { LateClock } from "../../test-helpers/late-clock.ts";
import { type MemberHarness, memberHarness } from "../../test-helpers/pool.ts";
import { openStream } from "../../test-helpers/streams.ts";
import { StatusCode, StatusError } from "../errors.ts";

const enhanceYourCalm = 11;

function readyMember(readyForMs = 0): MemberHarness {
  const harness = memberHarness(pod(1));
  harness.member.dial();
  harness.latest().becomeReady();
  harness.clock.tick(readyForMs);
  return harness;
}

/** A member that failed six times, and whose connection has proven itself since. */
function provenAfterFailures(): MemberHarness {
  const harness = memberHarness(pod(1));
  harness.member.dial();
  for (let failure = 0; failure < 6; failure++) {
    harness.latest().refuse(new Error("refused"));
    timeToNextDial(harness);
  }
  harness.latest().becomeReady();
  harness.clock.tick(1_000);
  return harness;
}

/** Milliseconds until the next dial, which is made. */
function timeToNextDial({ clock, connector }: MemberHarness): number {
  const dials = connector.dials.length;
  const start = clock.now();
  while (connector.dials.length === dials) {
    const { nextInMs } = clock;
    if (nextInMs === undefined) throw new Error("no dial is planned");
    clock.tick(nextInMs);
  }
  return clock.now() - start;
}

describe("a member that dials", () => {
  test("is idle, connecting, then ready, and tells its owner", () => {
    const { clock, member, latest, told } = memberHarness(pod(1));
    expect(member.state).toBe("idle");
    member.dial();
    expect(member.state).toBe("connecting");
    expect(member.connection).toBeUndefined();
    latest().becomeReady();
    expect(member.state).toBe("ready");
    expect(member.connection).toBe(latest());
    expect(member.lastError).toBeUndefined();
    expect(told).toEqual({ changed: 1, capacity: 0, suspected: 0 });
    expect(clock.pending).toBe(0);
  });

  test("dials once, however often it is asked to", () => {
    const { clock, connector, member, latest } = memberHarness(pod(1));
    member.dial();
    member.dial();
    latest().becomeReady();
    member.dial();
    clock.tick(60_000);
    expect(connector.dials).toEqual(["pod-1"]);
  });

  test("gives up a connection that is not ready within the connect timeout", () => {
    const { clock, member, latest, told } = memberHarness(pod(1));
    member.dial();
    const connection = latest();
    clock.tick(4_999);
    expect(connection.state).toBe("connecting");
    clock.tick(1);
    expect(connection.state).toBe("closed");
    expect(member.lastError).toBeInstanceOf(StatusError);
    expect(member.lastError).toMatchObject({
      code: StatusCode.unavailable,
      message: "connection 1 to pod-1 (10.0.0.1:8080): not ready after 5000 ms (neither refused nor answered)",
    });
    expect(told).toMatchObject({ changed: 1, suspected: 1 });
  });

  test("does not give up a connection while its own event loop was blocked", () => {
    const clock = new LateClock();
    const { member, latest } = memberHarness(pod(1), { clock });
    member.dial();
    clock.block(60_000);
    expect(latest().state).toBe("connecting");
    latest().becomeReady();
    expect([member.state, clock.pending]).toEqual(["ready", 0]);
  });

  test("waits for its turn when too many dial, and starts the connect timeout then", () => {
    const harness = memberHarness(pod(1));
    const { clock, connector, limiter, member, latest } = harness;
    const places = Array.from({ length: 32 }, () => limiter.acquire(() => {}));
    member.dial();
    expect(member.state).toBe("connecting");
    clock.tick(60_000);
    expect(connector.dials).toEqual([]);
    places[7]?.();
    expect(connector.dials).toEqual(["pod-1"]);
    clock.tick(4_999);
    expect(latest().state).toBe("connecting");
    latest().becomeReady();
    expect(member.state).toBe("ready");
  });

  test("frees its place among the dials when it is ready, refused, timed out or closed", () => {
    const ends: ((harness: MemberHarness) => void)[] = [
      ({ latest }) => latest().becomeReady(),
      ({ latest }) => latest().refuse(new Error("refused")),
      ({ clock }) => clock.tick(5_000),
      ({ member }) => member.close(),
      ({ member }) => member.update(pod(1, { host: "10.9.9.9" })),
    ];
    for (const end of ends) {
      const harness = memberHarness(pod(1));
      harness.member.dial();
      let dialled = 0;
      for (let other = 0; other < 32; other++) harness.limiter.acquire(() => dialled++);
      expect(dialled).toBe(31);
      end(harness);
      expect(dialled).toBe(32);
      harness.member.close();
    }
  });
});

describe("a member whose dials fail", () => {
  test("waits 1 s, then 1.6 times as long each time, at most 10 s, from dial to dial", () => {
    const harness = memberHarness(pod(1));
    harness.member.dial();
    const waits: number[] = [];
    for (let failure = 0; failure < 8; failure++) {
      harness.clock.tick(100);
      harness.latest().refuse(new Error("refused"));
      waits.push(Math.round(100 + timeToNextDial(harness)));
    }
    expect(waits).toEqual([1_000, 1_600, 2_560, 4_096, 6_554, 10_000, 10_000, 10_000]);
  });

  test("spreads each wait over ±20 %", () => {
    const waits: number[] = [];
    for (let seed = 0; seed < 300; seed++) {
      const harness = memberHarness(pod(1), { random: seededRandom(seed) });
      harness.member.dial();
      harness.latest().refuse(new Error("refused"));
      waits.push(timeToNextDial(harness));
    }
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(800);
    expect(Math.min(...waits)).toBeLessThan(820);
    expect(Math.max(...waits)).toBeLessThan(1_200);
    expect(Math.max(...waits)).toBeGreaterThan(1_180);
  });

  test("is in transient failure from the first failure until it is ready, also while it dials again", () => {
    const harness = memberHarness(pod(1));
    const { member, latest } = harness;
    member.dial();
    latest().refuse(new Error("refused"));
    expect(member.state).toBe("transientFailure");
    expect(member.lastError?.message).toBe("refused");
    timeToNextDial(harness);
    expect(latest().state).toBe("connecting");
    expect(member.state).toBe("transientFailure");
    latest().becomeReady();
    expect(member.state).toBe("ready");
    expect(member.lastError).toBeUndefined();
  });

  test("hints to its owner that the endpoint may be gone", () => {
    const { member, latest, told } = memberHarness(pod(1));
    member.dial();
    latest().refuse(new Error("refused"));
    expect(told).toEqual({ changed: 1, capacity: 0, suspected: 1 });
  });

  test("dials at once for an RPC when the last dial began 1 s ago or longer, and is connecting then", () => {
    const { clock, connector, member, latest } = memberHarness(pod(1));
    member.dial();
    latest().refuse(new Error("refused"));
    clock.tick(1_000);
    latest().refuse(new Error("refused again")); // the next dial is due at 2 600 ms
    clock.tick(999);
    expect(member.dialIfOlder(1_000)).toBe(false);
    expect(connector.dials).toHaveLength(2);
    clock.tick(1);
    expect(member.dialIfOlder(1_000)).toBe(true);
    expect(connector.dials).toHaveLength(3);
    expect(member.state).toBe("connecting");
    expect(member.dialIfOlder(0)).toBe(false);
    latest().refuse(new Error("still refused"));
    expect(member.state).toBe("transientFailure");
    expect(clock.pending).toBe(1);
  });

  test("keeps one timer, whatever cut the wait short", () => {
    const { clock, member, latest } = memberHarness(pod(1));
    member.dial();
    latest().refuse(new Error("refused"));
    clock.tick(900);
    member.dial();
    latest().becomeReady();
    expect(clock.pending).toBe(0);
  });
});

describe("a member whose connection ends", () => {
  test("dials again at once when it had been ready for 1 s or longer", () => {
    const { connector, member, latest, told } = readyMember(1_000);
    latest().lose(new Error("ECONNRESET"));
    expect(connector.dials).toHaveLength(2);
    expect(member.state).toBe("connecting");
    expect(member.lastError?.message).toBe("ECONNRESET");
    expect(told.suspected).toBe(1);
  });

  test("takes the backoff when it had been ready for less than 1 s, and counts it as a failure", () => {
    const harness = readyMember(999);
    harness.latest().lose(new Error("ECONNRESET"));
    expect(harness.member.state).toBe("transientFailure");
    expect(timeToNextDial(harness)).toBeCloseTo(1);
    harness.latest().becomeReady();
    harness.latest().lose(new Error("ECONNRESET"));
    expect(timeToNextDial(harness)).toBeCloseTo(1_600);
  });

  test("begins anew with the backoff after a connection that had been ready for 1 s", () => {
    const harness = provenAfterFailures();
    harness.latest().lose(new Error("ECONNRESET"));
    harness.latest().refuse(new Error("refused"));
    expect(timeToNextDial(harness)).toBeCloseTo(1_000);
  });

  test("tells the end of each connection once, with what was lost", () => {
    const events = collect("connection.closed");
    const { member, latest } = readyMember(1_000);
    openStream(latest());
    openStream(latest());
    const reason = new Error("ECONNRESET");
    const lost = latest();
    lost.lose(reason);
    latest().refuse(new Error("refused"));
    member.close();
    expect(events).toEqual([
      {
        target: "http://orders:8080",
        endpoint: pod(1),
        connection: lost.label,
        reason,
        orderly: false,
        wasReady: true,
        streamsLost: 2,
      },
      expect.objectContaining({ wasReady: false, streamsLost: 0, orderly: false }),
    ]);
  });
});

describe("a member that gets GOAWAY", () => {
  test("replaces a connection at once that has answered an RPC, however young it was", () => {
    const { connector, latest } = readyMember(5);
    for (let dials = 2; dials < 5; dials++) {
      openStream(latest());
      latest().lastStream.respond();
      latest().lastStream.complete();
      latest().sendGoaway();
      expect(connector.dials).toHaveLength(dials);
      latest().becomeReady();
    }
    openStream(latest());
    latest().sendGoaway();
    expect(connector.dials).toHaveLength(4);
  });

  test("replaces a connection that was ready for 1 s at once, and lets its streams finish", () => {
    const { connector, member, latest, told, retired, ended } = readyMember(1_000);
    const old = latest();
    const ends = openStream(old);
    old.sendGoaway();
    expect(member.connection).toBeUndefined();
    expect(member.state).toBe("connecting");
    expect(connector.dials).toHaveLength(2);
    expect(old.draining).toBe(true);
    expect(old.state).toBe("ready");
    expect(retired).toEqual([{ connection: old, unwanted: false }]);
    expect(told).toEqual({ changed: 2, capacity: 0, suspected: 1 });

    latest().becomeReady();
    old.lastStream.respond();
    old.lastStream.complete();
    expect(ends).toEqual([{ kind: "complete" }]);
    expect(ended).toEqual([old]);
    expect(member.connection).toBe(latest());
  });

  test("dials again after a pause when it was ready for less than 1 s, and RPCs wait for it", () => {
    const harness = readyMember(10);
    for (const pauseMs of [50, 80, 128, 204.8, 327.68, 524.288, 838.8608, 1_000, 1_000]) {
      harness.latest().sendGoaway();
      expect(harness.member.state).toBe("connecting");
      const sinceDial = pauseMs === 50 ? 10 : 0;
      expect(timeToNextDial(harness)).toBeCloseTo(pauseMs - sinceDial);
      harness.latest().becomeReady();
    }
    harness.clock.tick(1_000);
    harness.latest().sendGoaway();
    expect(harness.connector.dials).toHaveLength(11);
    harness.latest().becomeReady();
    harness.latest().sendGoaway();
    expect(timeToNextDial(harness)).toBeCloseTo(50);
  });

  test("dials again after a pause when its peer closed it in good order within 1 s", () => {
    const harness = readyMember(10);
    harness.latest().hangUp();
    expect(harness.member.state).toBe("connecting");
    expect(timeToNextDial(harness)).toBeCloseTo(40);
  });

  test("takes the backoff after an error code, however long the connection was ready", () => {
    const harness = readyMember(3_600_000);
    harness.latest().sendGoaway({ errorCode: enhanceYourCalm, debugData: "too_many_pings" });
    expect(harness.member.state).toBe("transientFailure");
    expect(harness.member.lastError?.message).toBe(
      "connection 1 to pod-1 (10.0.0.1:8080): GOAWAY with error code 11 too_many_pings",
    );
    expect(timeToNextDial(harness)).toBeCloseTo(1_000);
  });

  test("counts an error code as the first failure when the connection had proven itself", () => {
    const harness = provenAfterFailures();
    harness.latest().sendGoaway({ errorCode: enhanceYourCalm });
    expect(timeToNextDial(harness)).toBeCloseTo(1_000);
    harness.latest().refuse(new Error("refused"));
    expect(timeToNextDial(harness)).toBeCloseTo(1_600);
  });

  test("dials once for the two GOAWAYs of an orderly drain, and tells both", () => {
    const events = collect("connection.goaway");
    const { connector, latest } = readyMember(5_000);
    const old = latest();
    openStream(old);
    old.sendGoaway({ lastStreamId: 2 ** 31 - 1 });
    old.sendGoaway({ lastStreamId: 1 });
    expect(connector.dials).toHaveLength(2);
    expect(events.map(({ lastStreamId, errorCode }) => ({ lastStreamId, errorCode }))).toEqual([
      { lastStreamId: 2 ** 31 - 1, errorCode: 0 },
      { lastStreamId: 1, errorCode: 0 },
    ]);
  });

  test("is not disturbed by what becomes of the connection that it replaced", () => {
    const { clock, connector, member, latest, told } = readyMember(5_000);
    const old = latest();
    openStream(old);
    old.sendGoaway();
    latest().becomeReady();
    const before = { ...told };
    old.lose(new Error("ECONNRESET"));
    clock.tick(60_000);
    expect(member.connection).toBe(latest());
    expect(connector.dials).toHaveLength(2);
    expect(told).toEqual(before);
  });
});

describe("a member that is updated", () => {
  test("keeps its connection when anything but the addresses changed, and its connection learns of it", () => {
    const { connector, member, latest } = readyMember();
    const heavier = pod(1, { weight: 5, zone: "b" });
    member.update(heavier);
    expect(member.endpoint).toBe(heavier);
    expect(latest().endpoint).toBe(heavier);
    expect(connector.dials).toHaveLength(1);
  });

  test("tells a connection that was being made when it gets ready", () => {
    const { member, latest } = memberHarness(pod(1));
    member.dial();
    const heavier = pod(1, { weight: 5 });
    member.update(heavier);
    latest().becomeReady();
    expect(latest().endpoint).toBe(heavier);
  });

  test("keeps its connection when the same addresses are written in another way", () => {
    const { connector, member } = readyMember();
    member.update({ ...pod(1), addresses: [{ port: 8080, host: "10.0.0.1" }] });
    expect(connector.dials).toHaveLength(1);
  });

  test("keeps its connection when an address is added, and dials anew when one is gone", () => {
    const { connector, member, latest } = readyMember();
    const [own] = pod(1).addresses;
    const other = { host: "fd00::1", port: 8080 };
    const both = { ...pod(1), addresses: [other, own] } as const;
    member.update(both);
    expect(connector.dials).toHaveLength(1);
    expect(latest().endpoint).toBe(both);
    member.update({ ...pod(1), addresses: [other] });
    expect(connector.dials).toHaveLength(2);
  });

  test("dials a new address, and lets the streams at the old one finish", () => {
    const { connector, member, latest, retired } = readyMember();
    const old = latest();
    openStream(old);
    member.update(pod(1, { host: "10.9.9.9" }));
    expect(retired).toEqual([{ connection: old, unwanted: true }]);
    expect(old).toMatchObject({ draining: true, state: "ready" });
    expect(connector.dials).toHaveLength(2);
    expect(latest().endpoint.addresses).toEqual([{ host: "10.9.9.9", port: 8080 }]);
    expect(member.state).toBe("connecting");
  });

  test("tells events of the old connection with the endpoint that it was made to", () => {
    const events = collect("connection.closed");
    const { member } = readyMember();
    member.update(pod(1, { host: "10.9.9.9" }));
    expect(events.map(({ endpoint }) => endpoint)).toEqual([pod(1)]);
    member.close();
  });

  test.each(["queued", "connecting", "backoff"] as const)("dials a new address at once when it was %s", (phase) => {
    const harness = memberHarness(pod(1));
    const { clock, connector, limiter, member, latest } = harness;
    const places = phase === "queued" ? Array.from({ length: 32 }, () => limiter.acquire(() => {})) : [];
    member.dial();
    if (phase === "backoff") latest().refuse(new Error("refused"));
    member.update(pod(1, { host: "10.9.9.9" }));
    for (const release of places) release();
    expect(member.state).toBe("connecting");
    expect(connector.open).toHaveLength(1);
    expect(latest().endpoint.addresses[0].host).toBe("10.9.9.9");
    latest().becomeReady();
    expect(clock.pending).toBe(0);
  });
});

describe("a member that is closed", () => {
  test("gives up a wait for its turn", () => {
    const { connector, limiter, member } = memberHarness(pod(1));
    const places = Array.from({ length: 32 }, () => limiter.acquire(() => {}));
    member.dial();
    member.close();
    for (const release of places) release();
    expect(connector.dials).toEqual([]);
    expect(member.state).toBe("shutdown");
  });

  test("destroys a connection that is being made", () => {
    const { clock, member, latest, ended } = memberHarness(pod(1));
    member.dial();
    member.close();
    expect(latest().result?.reason.message).toBe("pod-1 (10.0.0.1:8080) is not wanted any more");
    expect(ended).toEqual([latest()]);
    expect(clock.pending).toBe(0);
  });

  test("gives up the wait for the next dial", () => {
    const { clock, connector, member, latest } = memberHarness(pod(1));
    member.dial();
    latest().refuse(new Error("refused"));
    member.close();
    expect(clock.pending).toBe(0);
    clock.tick(60_000);
    expect(connector.dials).toHaveLength(1);
  });

  test("lets the streams of a ready connection finish", () => {
    const { member, latest, retired, ended, told } = readyMember();
    openStream(latest());
    member.close();
    expect(latest()).toMatchObject({ draining: true, state: "ready" });
    expect(retired).toEqual([{ connection: latest(), unwanted: true }]);
    latest().lastStream.respond();
    latest().lastStream.complete();
    expect(ended).toEqual([latest()]);
    expect(told).toEqual({ changed: 1, capacity: 0, suspected: 0 });
  });

  test("stays closed, whatever is asked of it", () => {
    const { clock, connector, member, latest, told } = readyMember();
    member.close();
    member.close();
    member.dial();
    expect(member.dialIfOlder(0)).toBe(false);
    clock.tick(60_000);
    expect(member.state).toBe("shutdown");
    expect(connector.dials).toHaveLength(1);
    expect(latest().state).toBe("closed");
    expect(told.changed).toBe(1);
  });

  test.each([
    ["connection.goaway", 0],
    ["connection.goaway", enhanceYourCalm],
    ["connection.closed", 0],
    ["connection.closed", enhanceYourCalm],
  ] as const)("stays closed when whoever hears of %s closes it: error code %d", (name, errorCode) => {
    const { clock, connector, member, latest } = readyMember(5_000);
    callOn(name, () => member.close());
    latest().sendGoaway({ errorCode });
    expect(member.state).toBe("shutdown");
    expect(connector.open).toEqual([]);
    expect(clock.pending).toBe(0);
  });

  test("stays closed when whoever hears of its ready connection closes it", () => {
    const { connector, member, latest } = memberHarness(pod(1));
    callOn("connection.ready", () => member.close());
    member.dial();
    latest().becomeReady();
    expect(member.state).toBe("shutdown");
    expect(connector.open).toEqual([]);
  });
});

test("a member passes on that a connection has room again, and tells when one is ready", () => {
  const events = collect("connection.ready");
  const { member, latest, told } = memberHarness(pod(1));
  member.dial();
  latest().becomeReady({ maxStreams: 1 });
  openStream(latest());
  latest().lastStream.respond();
  latest().lastStream.complete();
  expect(told.capacity).toBe(1);
  expect(events).toEqual([{ target: "http://orders:8080", endpoint: pod(1), connection: latest().label }]);
});
