import { FakeClock } from "@evenkeel/testing";
import { describe, expect, it } from "vitest";
import { passTime } from "../test-helpers/rig.ts";
import { Suspicion } from "./suspicion.ts";

interface Watched {
  readonly clock: FakeClock;
  readonly suspicion: Suspicion;
  /** What it did, and when. */
  readonly log: string[];
  streams: number;
}

function watch(): Watched {
  const clock = new FakeClock();
  const log: string[] = [];
  const note = (what: string): void => void log.push(`${what} at ${clock.now()}`);
  const watched: Watched = {
    clock,
    log,
    streams: 1,
    suspicion: new Suspicion(15_000, clock, {
      ping: () => note("ping"),
      hasStreams: () => watched.streams > 0,
      changed: (suspect) => note(suspect ? "suspect" : "well"),
      dead: () => note("dead"),
    }),
  };
  return watched;
}

describe("Suspicion", () => {
  it("pings after 1 s, 10 s and a little more than every 5 min while a peer answers its pings alone", async () => {
    const { clock, suspicion, log } = watch();
    suspicion.busy();
    const expected = [1_000, 10_000, 320_000, 630_000, 940_000];
    for (const at of expected) {
      await passTime(clock, at - 1 - clock.now());
      expect(log.length).toBe(expected.indexOf(at));
      await passTime(clock, 1);
      expect(log.at(-1)).toBe(`ping at ${at}`);
      await passTime(clock, 100);
      suspicion.heard(false);
    }
    expect(log).toEqual(expected.map((at) => `ping at ${at}`));
  });

  it("waits anew after every response", async () => {
    const { clock, suspicion, log } = watch();
    suspicion.busy();
    for (let response = 0; response < 10; response++) {
      await passTime(clock, 900);
      suspicion.heard(true);
    }
    expect(log).toEqual([]);
    await passTime(clock, 999);
    expect(log).toEqual([]);
    await passTime(clock, 1);
    expect(log).toEqual(["ping at 10000"]);
    suspicion.heard(true);
    await passTime(clock, 1_000);
    expect(log).toEqual(["ping at 10000", "ping at 11000"]);
  });

  it("does not take other bytes for a response", async () => {
    const { clock, suspicion, log } = watch();
    suspicion.busy();
    await passTime(clock, 900);
    suspicion.heard(false);
    await passTime(clock, 100);
    expect(log).toEqual(["ping at 1000"]);
  });

  it("suspects a peer after 250 ms without a byte, and takes it back at the next one", async () => {
    const { clock, suspicion, log } = watch();
    suspicion.busy();
    await passTime(clock, 1_000);
    await passTime(clock, 249);
    expect(log).toEqual(["ping at 1000"]);
    await passTime(clock, 1);
    expect(log).toEqual(["ping at 1000", "suspect at 1250"]);
    await passTime(clock, 5_000);
    suspicion.heard(false);
    suspicion.heard(false);
    expect(log.slice(2)).toEqual(["well at 6250"]);
    await passTime(clock, 3_750);
    expect(log.slice(3)).toEqual(["ping at 10000"]);
  });

  it("finds a peer dead that stays silent", async () => {
    const { clock, suspicion, log } = watch();
    suspicion.busy();
    await passTime(clock, 1_000);
    await passTime(clock, 250);
    await passTime(clock, 14_999);
    expect(log.at(-1)).toBe("suspect at 1250");
    await passTime(clock, 1);
    expect(log.at(-1)).toBe("dead at 16250");
  });

  it("decides nothing where the answer arrived while our own event loop was blocked", async () => {
    const { clock, suspicion, log } = watch();
    suspicion.busy();
    await passTime(clock, 1_000);
    clock.tick(250);
    setImmediate(() => suspicion.heard(false)); // what the poll of this turn brings
    await passTime(clock, 0);
    expect(log).toEqual(["ping at 1000"]);
    await passTime(clock, 8_750);
    await passTime(clock, 250);
    expect(log).toEqual(["ping at 1000", "ping at 10000", "suspect at 10250"]);
    clock.tick(15_000);
    setImmediate(() => suspicion.heard(true));
    await passTime(clock, 0);
    expect(log.slice(3)).toEqual(["well at 25250"]);
  });

  it("asks nothing while there is no stream, and leaves no timer then", async () => {
    const watched = watch();
    const { clock, suspicion, log } = watched;
    suspicion.busy();
    watched.streams = 0;
    await passTime(clock, 1_000);
    expect([log, clock.pending]).toEqual([[], 0]);
    watched.streams = 1;
    suspicion.busy();
    await passTime(clock, 1_000);
    expect(log).toEqual(["ping at 2000"]);
  });

  it("counts from the first stream after there was none", async () => {
    const { clock, suspicion, log } = watch();
    suspicion.busy();
    await passTime(clock, 900);
    suspicion.busy();
    await passTime(clock, 900);
    expect(log).toEqual([]);
    await passTime(clock, 100);
    expect(log).toEqual(["ping at 1900"]);
  });

  it("pings no more often where streams come and go without a response, however many", async () => {
    const watched = watch();
    const { clock, suspicion, log } = watched;
    let seen = 0;
    for (let call = 0; call < 1_000; call++) {
      watched.streams = 1;
      suspicion.busy();
      await passTime(clock, 1_200);
      if (log.length > seen) suspicion.heard(false);
      seen = log.length;
      watched.streams = 0;
      await passTime(clock, 100);
    }
    // servers count pings that come within 5 min of the one before, and bear two between their responses
    const pings = log.map((what) => Number(/^ping at (.*)/.exec(what)?.[1]));
    expect(pings.length).toBeGreaterThan(3);
    const strikes = pings.filter((at, index) => index > 0 && at - (pings[index - 1] as number) < 300_000);
    expect(strikes.length).toBeLessThanOrEqual(2);
  });

  it("asks within a second of a response, also where it was not to ask for long", async () => {
    const { clock, suspicion, log } = watch();
    suspicion.busy();
    for (const ms of [1_000, 9_000]) {
      await passTime(clock, ms);
      suspicion.heard(false);
    }
    await passTime(clock, 50_000);
    suspicion.heard(true);
    await passTime(clock, 999);
    expect(log).toEqual(["ping at 1000", "ping at 10000"]);
    await passTime(clock, 1);
    expect(log.slice(2)).toEqual(["ping at 61000"]);
  });

  it("asks within a second where the last ping is long ago", async () => {
    const watched = watch();
    const { clock, suspicion, log } = watched;
    suspicion.busy();
    await passTime(clock, 1_000);
    suspicion.heard(false);
    watched.streams = 0;
    await passTime(clock, 400_000);
    watched.streams = 1;
    suspicion.busy();
    await passTime(clock, 1_000);
    expect(log).toEqual(["ping at 1000", "ping at 402000"]);
  });

  it("goes on with its doubts when streams come and go", async () => {
    const watched = watch();
    const { clock, suspicion, log } = watched;
    suspicion.busy();
    await passTime(clock, 1_000);
    watched.streams = 0;
    watched.streams = 1;
    suspicion.busy();
    await passTime(clock, 250);
    expect(log).toEqual(["ping at 1000", "suspect at 1250"]);
    suspicion.busy();
    await passTime(clock, 15_000);
    expect(log.at(-1)).toBe("dead at 16250");
  });

  it.each([500, 1_100, 2_000])("leaves no timer and tells nothing when it is stopped after %i ms", async (ms) => {
    const { clock, suspicion, log } = watch();
    suspicion.busy();
    await passTime(clock, Math.min(ms, 1_000));
    await passTime(clock, ms - clock.now());
    const before = [...log];
    suspicion.stop();
    suspicion.stop();
    suspicion.heard(true);
    expect(clock.pending).toBe(0);
    await passTime(clock, 100_000);
    expect(log).toEqual(before);
  });

  it("tells nothing when it is stopped between a timer and its decision", async () => {
    const { clock, suspicion, log } = watch();
    suspicion.busy();
    clock.tick(1_000);
    clock.tick(250);
    suspicion.stop();
    await passTime(clock, 0);
    expect(log).toEqual(["ping at 1000"]);
  });
});
