import { describe, expect, test } from "vitest";
import { type OutlierDetectionOptions, outlierSettings } from "./options.ts";

describe("the options of outlier detection", () => {
  test("have the defaults of gRFC A50", () => {
    expect(
      outlierSettings({ successRateEjection: {}, failurePercentageEjection: {}, consecutiveFailures: {} }),
    ).toEqual({
      intervalMs: 10_000,
      baseEjectionTimeMs: 30_000,
      maxEjectionTimeMs: 300_000,
      maxEjectionPercent: 10,
      successRateEjection: { stdevFactor: 1_900, enforcementPercentage: 100, minimumHosts: 5, requestVolume: 100 },
      failurePercentageEjection: { threshold: 85, enforcementPercentage: 100, minimumHosts: 5, requestVolume: 50 },
      consecutiveFailures: { threshold: 5, enforcementPercentage: 100 },
      panicThreshold: 50,
      returnWindowMs: 10_000,
      onEjection: undefined,
    });
  });

  test("turn on failure percentage and consecutive failures where nothing is said, else only what is given", () => {
    const on = (options: OutlierDetectionOptions): string[] => {
      const { successRateEjection, failurePercentageEjection, consecutiveFailures } = outlierSettings(options);
      const algorithms = { successRateEjection, failurePercentageEjection, consecutiveFailures };
      return Object.entries(algorithms).flatMap(([name, settings]) => (settings === undefined ? [] : name));
    };
    expect(on({})).toEqual(["failurePercentageEjection", "consecutiveFailures"]);
    expect(on({ successRateEjection: {} })).toEqual(["successRateEjection"]);
    expect(on({ consecutiveFailures: { threshold: 3 } })).toEqual(["consecutiveFailures"]);
  });

  test("take what is given", () => {
    expect(outlierSettings({ failurePercentageEjection: { threshold: 50 } }).failurePercentageEjection).toEqual({
      threshold: 50,
      enforcementPercentage: 100,
      minimumHosts: 5,
      requestVolume: 50,
    });
    expect(outlierSettings({ baseEjectionTimeMs: 400_000 }).maxEjectionTimeMs).toBe(400_000);
  });

  test.each([
    [{ interval: 1 }, TypeError, "interval: no option of outlierDetection"],
    [
      { intervalMs: 99 },
      RangeError,
      "outlierDetection.intervalMs: expected a number from 100 to 2147483647 milliseconds",
    ],
    [{ intervalMs: "1s" }, TypeError, "outlierDetection.intervalMs"],
    [{ intervalMs: null }, TypeError, "outlierDetection.intervalMs: expected a number from 100"],
    [{ baseEjectionTimeMs: null }, TypeError, "outlierDetection.baseEjectionTimeMs"],
    [{ maxEjectionTimeMs: null }, TypeError, "outlierDetection.maxEjectionTimeMs"],
    [{ returnWindowMs: null }, TypeError, "outlierDetection.returnWindowMs"],
    [{ maxEjectionPercent: null }, TypeError, "outlierDetection.maxEjectionPercent"],
    [{ onEjection: null }, TypeError, "outlierDetection.onEjection"],
    [{ baseEjectionTimeMs: 0 }, RangeError, "outlierDetection.baseEjectionTimeMs"],
    [{ maxEjectionTimeMs: 29_999 }, RangeError, "outlierDetection.maxEjectionTimeMs: expected a number from 30000"],
    [{ maxEjectionPercent: 101 }, RangeError, "outlierDetection.maxEjectionPercent"],
    [{ panicThreshold: -1 }, RangeError, "outlierDetection.panicThreshold"],
    [{ returnWindowMs: Number.NaN }, RangeError, "outlierDetection.returnWindowMs"],
    [{ onEjection: {} }, TypeError, "outlierDetection.onEjection: expected a function"],
    [{ successRateEjection: { stdev: 1 } }, TypeError, "stdev: no option of outlierDetection.successRateEjection"],
    [{ successRateEjection: { stdevFactor: 0 } }, RangeError, "outlierDetection.successRateEjection.stdevFactor"],
    [{ successRateEjection: 5 }, TypeError, "outlierDetection.successRateEjection: expected an object"],
    [{ failurePercentageEjection: null }, TypeError, "outlierDetection.failurePercentageEjection: expected an object"],
    [
      { failurePercentageEjection: { threshold: 0 } },
      RangeError,
      "outlierDetection.failurePercentageEjection.threshold: expected a number from 1 to 100, got 0",
    ],
    [
      { failurePercentageEjection: { minimumHosts: 1.5 } },
      RangeError,
      "outlierDetection.failurePercentageEjection.minimumHosts: expected an integer",
    ],
    [
      { consecutiveFailures: { enforcementPercentage: 200 } },
      RangeError,
      "outlierDetection.consecutiveFailures.enforcementPercentage",
    ],
    [
      { consecutiveFailures: { enforcementPercentage: null } },
      TypeError,
      "outlierDetection.consecutiveFailures.enforcementPercentage: expected a number from 0 to 100, got null",
    ],
    [{ consecutiveFailures: [] }, TypeError, "outlierDetection.consecutiveFailures: expected an object of options"],
    [[], TypeError, "outlierDetection: expected an object of options"],
    [{ consecutiveFailures: { threshold: 0 } }, RangeError, "outlierDetection.consecutiveFailures.threshold"],
    [null, TypeError, "outlierDetection: expected an object of options"],
  ])("are refused: %j", (options, type, message) => {
    const check = () => outlierSettings(options as OutlierDetectionOptions);
    expect(check).toThrow(type);
    expect(check).toThrow(message);
  });
});
