import { createEndpoint, type ServerLoad, StatusCode } from "@evenkeel/core";
import { seededRandom } from "@evenkeel/testing";
import { describe, expect, test } from "vitest";
import { exponential } from "./distributions.ts";
import { type Job, Pod, type PodOptions } from "./pod.ts";
import { VirtualClock } from "./virtual-clock.ts";

const endpoint = createEndpoint({ host: "10.0.0.1", port: 8080 });

interface Answer {
  readonly atMs: number;
  readonly code: StatusCode;
  readonly load: ServerLoad;
}

function podOn(clock: VirtualClock, options: Partial<PodOptions> = {}) {
  const answers: Answer[] = [];
  const pod = new Pod({ clock, endpoint, workers: 1, ...options });
  const give = (workMs: number): { isCancelled: boolean } => {
    const job = {
      workMs,
      isCancelled: false,
      answered: (code: StatusCode, load: ServerLoad) => answers.push({ atMs: clock.now(), code, load }),
    } satisfies Job;
    pod.take(job);
    return job;
  };
  return { pod, answers, give, answeredAt: () => answers.map(({ atMs }) => atMs) };
}

/** Mean time from arrival to answer, at Poisson arrivals. */
function meanSojourn(workers: number, rps: number, workMs: number): number {
  const clock = new VirtualClock();
  const random = seededRandom(5);
  const pod = new Pod({ clock, endpoint, workers });
  const pause = exponential(1_000 / rps);
  const work = exponential(workMs);
  let count = 0;
  let total = 0;
  const next = (): void => {
    const arrivedAt = clock.now();
    pod.take({
      workMs: work(random),
      isCancelled: false,
      answered: () => {
        count++;
        total += clock.now() - arrivedAt;
      },
    });
    clock.setTimeout(next, pause(random));
  };
  next();
  clock.runUntil(2_000_000);
  return total / count;
}

describe("a pod", () => {
  test("waits as long as M/M/1 says", () => {
    // W = 1 / (mu - lambda)
    expect(meanSojourn(1, 80, 10)).toBeCloseTo(1_000 / (100 - 80), -1);
    expect(Math.abs(meanSojourn(1, 50, 10) / 20 - 1)).toBeLessThan(0.03);
  });

  test("waits as long as M/M/c says", () => {
    // Erlang C, 4 workers, offered load 3.2
    const offered = 3.2;
    const terms = [0, 1, 2, 3].map((k) => offered ** k / [1, 1, 2, 6][k]!);
    const full = (offered ** 4 / 24) * (4 / (4 - offered));
    const waits = full / (terms.reduce((sum, term) => sum + term, 0) + full);
    const expected = 10 + (waits * 1_000) / (400 - 320);
    expect(Math.abs(meanSojourn(4, 320, 10) / expected - 1)).toBeLessThan(0.03);
  });

  test("works on as many jobs as it has workers, the others in turn", () => {
    const clock = new VirtualClock();
    const { pod, give, answeredAt } = podOn(clock, { workers: 2 });
    for (const workMs of [10, 30, 5, 5]) give(workMs);
    expect(pod.jobs).toBe(4);
    clock.runUntil(100);
    expect(answeredAt()).toEqual([10, 15, 20, 30]);
    expect({ jobs: pod.jobs, mostJobs: pod.mostJobs }).toEqual({ jobs: 0, mostJobs: 4 });
  });

  test("does not begin what nobody waits for", () => {
    const clock = new VirtualClock();
    const { give, answeredAt } = podOn(clock);
    give(10);
    give(20).isCancelled = true;
    give(30);
    clock.runUntil(100);
    expect(answeredAt()).toEqual([10, 40]);
  });

  test("is slower at one age than at another", () => {
    const clock = new VirtualClock();
    const { give, answeredAt } = podOn(clock, { slowdown: (ageMs) => (ageMs < 50 ? 5 : 1) });
    give(10);
    clock.runUntil(100);
    give(10);
    clock.runUntil(200);
    expect(answeredAt()).toEqual([50, 110]);
  });

  test("that fails does so without a worker", () => {
    const clock = new VirtualClock();
    const { pod, give, answers } = podOn(clock);
    pod.failsAfterMs = 1;
    for (let jobs = 0; jobs < 3; jobs++) give(50);
    clock.runUntil(10);
    expect(answers.map(({ atMs, code }) => [atMs, code])).toEqual(Array(3).fill([1, StatusCode.unavailable]));
  });

  test("that freezes begins and answers nothing before its thaw", () => {
    const clock = new VirtualClock();
    const { pod, give, answeredAt } = podOn(clock);
    give(10);
    clock.runUntil(5);
    pod.freeze();
    give(10);
    clock.runUntil(100);
    expect(answeredAt()).toEqual([]);
    pod.thaw();
    clock.runUntil(200);
    expect(answeredAt()).toEqual([100, 110]);
  });

  test("tells its load: the share of its workers that is busy, RPCs and failures per second", () => {
    const clock = new VirtualClock();
    const { give, answers } = podOn(clock, { workers: 2 });
    for (let second = 0; second < 5_000; second += 50) {
      clock.runUntil(second);
      give(20); // 20 of 50 ms, one worker of two
    }
    clock.runUntil(10_000);
    const load = answers.at(-1)!.load;
    expect(load.cpuUtilization).toBeCloseTo(0.2, 2);
    expect(load.rps).toBeCloseTo(20, 0);
    expect(load.eps).toBe(0);
  });
});
