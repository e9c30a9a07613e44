import { type OutlierDetectionOptions, outlierDetection, roundRobin } from "@evenkeel/core";
import { describe, expect, test } from "vitest";
import { outlierDetectionField } from "./outlier-json.ts";

const read = (json: unknown): OutlierDetectionOptions => outlierDetectionField(json, "outlierDetection");
const largest = "2147483.647s";

describe("outlier detection in a service config", () => {
  test("has the fields of gRFC A50", () => {
    const json = {
      interval: "5s",
      baseEjectionTime: "1.5s",
      maxEjectionTime: "60s",
      maxEjectionPercent: "30",
      successRateEjection: { stdevFactor: 1_500, enforcementPercentage: 90, minimumHosts: 3, requestVolume: 20 },
      failurePercentageEjection: { threshold: 50, enforcementPercentage: 0, minimumHosts: "4", requestVolume: 30 },
    };
    expect(read(json)).toStrictEqual({
      intervalMs: 5_000,
      baseEjectionTimeMs: 1_500,
      maxEjectionTimeMs: 60_000,
      maxEjectionPercent: 30,
      successRateEjection: { stdevFactor: 1_500, enforcementPercentage: 90, minimumHosts: 3, requestVolume: 20 },
      failurePercentageEjection: { threshold: 50, enforcementPercentage: 0, minimumHosts: 4, requestVolume: 30 },
    });
  });

  test("has those of core beyond it", () => {
    const json = {
      consecutiveFailures: { threshold: 3, enforcementPercentage: 80 },
      panicThreshold: 12.5,
      returnWindow: "0s",
    };
    expect(read(json)).toStrictEqual({
      consecutiveFailures: { threshold: 3, enforcementPercentage: 80 },
      panicThreshold: 12.5,
      returnWindowMs: 0,
    });
  });

  test("leaves the defaults to core", () => {
    const none = {
      interval: null,
      baseEjectionTime: null,
      maxEjectionTime: null,
      maxEjectionPercent: null,
      successRateEjection: null,
      failurePercentageEjection: null,
      consecutiveFailures: null,
      panicThreshold: null,
      returnWindow: null,
    };
    for (const json of [{}, none]) expect(read(json)).toStrictEqual({});
    expect(read({ successRateEjection: {} })).toStrictEqual({ successRateEjection: {} });
  });

  test.each([
    [{ maxEjectionTime: "10s" }, { maxEjectionTimeMs: 30_000 }],
    [
      { baseEjectionTime: "20s", maxEjectionTime: "10s" },
      { baseEjectionTimeMs: 20_000, maxEjectionTimeMs: 20_000 },
    ],
    [
      { baseEjectionTime: "5s", maxEjectionTime: "10s" },
      { baseEjectionTimeMs: 5_000, maxEjectionTimeMs: 10_000 },
    ],
    [{ baseEjectionTime: "400s" }, { baseEjectionTimeMs: 400_000 }],
  ])("ejects for as long as the base, whatever the longest is: %j", (json, options) => {
    expect(read(json)).toStrictEqual(options);
    expect(outlierDetection(read(json), roundRobin())).toBeTypeOf("function");
  });

  test.each([
    { interval: "0.1s", baseEjectionTime: "0.001s", maxEjectionTime: "0.001s", maxEjectionPercent: 0 },
    { interval: largest, baseEjectionTime: largest, maxEjectionTime: largest, maxEjectionPercent: 100 },
    { successRateEjection: { stdevFactor: 1, enforcementPercentage: 0, minimumHosts: 1, requestVolume: 1 } },
    {
      successRateEjection: { stdevFactor: 1e6, enforcementPercentage: 100, minimumHosts: 1e9, requestVolume: 1e9 },
      consecutiveFailures: { threshold: 1, enforcementPercentage: 0 },
    },
    { failurePercentageEjection: { threshold: 1, enforcementPercentage: 0, minimumHosts: 1, requestVolume: 1 } },
    {
      failurePercentageEjection: { threshold: 100, enforcementPercentage: 100, minimumHosts: 1e9, requestVolume: 1e9 },
    },
    { consecutiveFailures: { threshold: 1e9, enforcementPercentage: 100 }, panicThreshold: 0, returnWindow: "0s" },
    { panicThreshold: 100, returnWindow: largest },
  ])("has the ranges that core has: %j", (json) => {
    expect(outlierDetection(read(json), roundRobin())).toBeTypeOf("function");
  });

  test.each([
    [{ interval: "0.099s" }, RangeError, 'interval: expected a duration from "0.1s" to "2147483.647s", got "0.099s"'],
    [{ interval: { seconds: 5, nanos: 0 } }, TypeError, 'interval: expected a duration from "0.1s"'],
    [{ interval: 10_000 }, TypeError, 'interval: expected a duration from "0.1s" to "2147483.647s", got 10000'],
    [{ baseEjectionTime: "0s" }, RangeError, 'baseEjectionTime: expected a duration from "0.001s"'],
    [{ baseEjectionTime: "-1s" }, RangeError, 'baseEjectionTime: expected a duration from "0.001s"'],
    [{ maxEjectionTime: "0s" }, RangeError, 'maxEjectionTime: expected a duration from "0.001s"'],
    [{ maxEjectionTime: "1h" }, TypeError, 'maxEjectionTime: expected a duration from "0.001s" to'],
    [{ returnWindow: "-0.5s" }, RangeError, 'returnWindow: expected a duration from "0s"'],
    [{ maxEjectionPercent: 101 }, RangeError, "maxEjectionPercent: expected an integer from 0 to 100, got 101"],
    [{ maxEjectionPercent: 0.5 }, RangeError, "maxEjectionPercent: expected an integer from 0 to 100, got 0.5"],
    [{ panicThreshold: 100.5 }, RangeError, "panicThreshold: expected a number from 0 to 100, got 100.5"],
    [
      { childPolicy: [] },
      TypeError,
      "childPolicy: no field of outlierDetection, which has interval, baseEjectionTime, m",
    ],
    [{ base_ejection_time: "1s" }, TypeError, "base_ejection_time: no field of outlierDetection"],
    [{ onEjection: null }, TypeError, "onEjection: no field of outlierDetection"],
    [{ successRateEjection: 5 }, TypeError, "successRateEjection: expected an object of fields, got 5"],
    [
      { successRateEjection: { stdevFactor: 0 } },
      RangeError,
      "successRateEjection.stdevFactor: expected an integer from 1 to 1000000, got 0",
    ],
    [
      { successRateEjection: { stdevFactor: 1.9 } },
      RangeError,
      "successRateEjection.stdevFactor: expected an integer from 1 to 1000000, got 1.9",
    ],
    [
      { successRateEjection: { enforcementPercentage: 101 } },
      RangeError,
      "successRateEjection.enforcementPercentage: expected an integer from 0 to 100, got 101",
    ],
    [
      { successRateEjection: { minimumHosts: 0 } },
      RangeError,
      "successRateEjection.minimumHosts: expected an integer from 1 to 1000000000, got 0",
    ],
    [
      { successRateEjection: { requestVolume: "" } },
      TypeError,
      "successRateEjection.requestVolume: expected an integer from 1",
    ],
    [
      { successRateEjection: { threshold: 5 } },
      TypeError,
      "successRateEjection.threshold: no field of outlierDetection.successRateEjection, which has stdevFactor, enforcement",
    ],
    [
      { failurePercentageEjection: { threshold: 0 } },
      RangeError,
      "failurePercentageEjection.threshold: expected an integer from 1 to 100, got 0",
    ],
    [
      { failurePercentageEjection: { minimumHosts: -1 } },
      RangeError,
      "failurePercentageEjection.minimumHosts: expected an integer from 1",
    ],
    [
      { failurePercentageEjection: { enforcementPercentage: 101 } },
      RangeError,
      "failurePercentageEjection.enforcementPercentage: expected an integer from 0 to 100",
    ],
    [
      { failurePercentageEjection: { requestVolume: 0 } },
      RangeError,
      "failurePercentageEjection.requestVolume: expected an integer from 1",
    ],
    [
      { consecutiveFailures: { threshold: 0 } },
      RangeError,
      "consecutiveFailures.threshold: expected an integer from 1 to 1000000000, got 0",
    ],
    [
      { consecutiveFailures: { enforcementPercentage: 200 } },
      RangeError,
      "consecutiveFailures.enforcementPercentage: expected an integer from 0 to 100, got 200",
    ],
    [
      { consecutiveFailures: { minimumHosts: 5 } },
      TypeError,
      "consecutiveFailures.minimumHosts: no field of outlierDetection.consecutiveFailures, which has threshold, enforcement",
    ],
  ])("refuses %j", (json, type, message) => {
    const make = () => read(json);
    expect(make).toThrow(type);
    expect(make).toThrow(`outlierDetection.${message}`);
  });
});
