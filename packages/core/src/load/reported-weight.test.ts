import { describe, expect, test } from "vitest";
import { serverLoad } from "../../test-helpers/server-load.ts";
import { ReportedWeight } from "./reported-weight.ts";

const options = { blackoutMs: 10_000, expirationMs: 180_000, errorPenalty: 1 };

function weightOf(load: Parameters<typeof serverLoad>[0], errorPenalty = 1): number {
  const weight = new ReportedWeight({ ...options, blackoutMs: 0, errorPenalty });
  weight.update(serverLoad(load), 5);
  return weight.at(5);
}

describe("a reported weight", () => {
  test("is RPCs per second by utilization and failures", () => {
    expect(weightOf({ rps: 100, cpuUtilization: 0.5 })).toBe(200);
    expect(weightOf({ rps: 100, cpuUtilization: 0.5, eps: 50 })).toBe(100);
    expect(weightOf({ rps: 100, cpuUtilization: 0.5, eps: 50 }, 3)).toBe(50);
    expect(weightOf({ rps: 100, cpuUtilization: 0.5, eps: 50 }, 0)).toBe(200);
  });

  test("goes by the application's utilization where there is one, also above 1", () => {
    expect(weightOf({ rps: 100, cpuUtilization: 0.5, applicationUtilization: 0.25 })).toBe(400);
    expect(weightOf({ rps: 100, cpuUtilization: 0.5, applicationUtilization: 2 })).toBe(50);
  });

  test.each([
    { rps: 0, cpuUtilization: 0.5 },
    { rps: 100 },
    { rps: 100, cpuUtilization: -1 },
    { rps: Number.NaN, cpuUtilization: 0.5 },
    { rps: 100, cpuUtilization: Number.NaN },
    { rps: Number.POSITIVE_INFINITY, cpuUtilization: 0.5 },
    { rps: 1e300, cpuUtilization: 1e-300 },
    { rps: Number.MIN_VALUE, cpuUtilization: 1 },
    { rps: 0.99e-9, cpuUtilization: 1 },
    { rps: 1.01e12, cpuUtilization: 1 },
    { rps: 100, cpuUtilization: 0.5, eps: Number.NaN },
  ])("is none by %j", (load) => {
    expect(weightOf(load)).toBe(0);
  });

  test("counts after reports have come for the blackout period", () => {
    const weight = new ReportedWeight(options);
    expect(weight.at(0)).toBe(0);
    weight.update(serverLoad({ rps: 100, cpuUtilization: 0.5 }), 1_000);
    expect(weight.at(10_999)).toBe(0);
    expect(weight.at(11_000)).toBe(200);
    weight.update(serverLoad({ rps: 100, cpuUtilization: 0.25 }), 11_500);
    expect(weight.at(11_500)).toBe(400);
  });

  test("counts no more when the last report is old, and then comes the blackout again", () => {
    const weight = new ReportedWeight(options);
    weight.update(serverLoad({ rps: 100, cpuUtilization: 0.5 }), 0);
    weight.update(serverLoad({ rps: 0 }), 100_000); // says nothing
    expect(weight.at(179_999)).toBe(200);
    expect(weight.at(180_000)).toBe(0);
    weight.update(serverLoad({ rps: 100, cpuUtilization: 0.5 }), 200_000);
    expect(weight.at(209_999)).toBe(0);
    expect(weight.at(210_000)).toBe(200);
  });
});
