import { maxTimerMs, type OutlierDetectionOptions } from "@evenkeel/core";
import { decimal, defined, duration, type Field, integer, message, readFields } from "./json-fields.ts";

const percent = { min: 0, max: 100 };
const count = integer({ min: 1, max: 1_000_000_000 });

const fields = {
  interval: duration({ min: 100, max: maxTimerMs }),
  baseEjectionTime: duration({ min: 1, max: maxTimerMs }),
  maxEjectionTime: duration({ min: 1, max: maxTimerMs }),
  maxEjectionPercent: integer(percent),
  successRateEjection: message({
    stdevFactor: integer({ min: 1, max: 1_000_000 }),
    enforcementPercentage: integer(percent),
    minimumHosts: count,
    requestVolume: count,
  }),
  failurePercentageEjection: message({
    threshold: integer({ min: 1, max: 100 }),
    enforcementPercentage: integer(percent),
    minimumHosts: count,
    requestVolume: count,
  }),
  consecutiveFailures: message({ threshold: count, enforcementPercentage: integer(percent) }),
  panicThreshold: decimal(percent),
  returnWindow: duration({ min: 0, max: maxTimerMs }),
};

/** Core's default. */
const defaultBaseEjectionMs = 30_000;

/**
 * The config of gRFC A50's `outlier_detection`, without its `childPolicy`, and what else core's has: `consecutiveFailures`,
 * `panicThreshold` and `returnWindow`. As in core, and unlike in A50, it detects something where no algorithm is given.
 */
export const outlierDetectionField: Field<OutlierDetectionOptions> = (value, path) => {
  const { interval, baseEjectionTime, maxEjectionTime, returnWindow, ...others } = readFields(value, path, fields);
  return {
    ...others,
    ...defined({
      intervalMs: interval,
      baseEjectionTimeMs: baseEjectionTime,
      // as A50: one below the base counts as the base
      maxEjectionTimeMs: maxEjectionTime && Math.max(maxEjectionTime, baseEjectionTime ?? defaultBaseEjectionMs),
      returnWindowMs: returnWindow,
    }),
  };
};
