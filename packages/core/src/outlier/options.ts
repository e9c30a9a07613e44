import type { Endpoint } from "../endpoint/endpoint.ts";
import { checkKeys, maxTimerMs, type NumberRange, numberOption, typeOption } from "../options.ts";

/** Times in milliseconds. Names and defaults are those of gRFC A50, where it has them. */
export interface OutlierDetectionOptions {
  /** Between two looks at what was counted, in which endpoints are ejected and return. 100 or more, default 10 000. */
  readonly intervalMs?: number;
  /** An endpoint is ejected for this time the first time, twice as long the second, and so on. Default 30 000. */
  readonly baseEjectionTimeMs?: number;
  /** The longest ejection; not below `baseEjectionTimeMs`. Default 300 000, or `baseEjectionTimeMs` where that is more. */
  readonly maxEjectionTimeMs?: number;
  /** Percent of the endpoints that are ejected at most; of two or more it may be one, unless this is 0. Default 10. */
  readonly maxEjectionPercent?: number;
  /** Ejects those whose share of successes is far below the mean. Off unless given. */
  readonly successRateEjection?: SuccessRateEjection;
  /** Ejects those of which more than a share fails. On where none of the three is given. */
  readonly failurePercentageEjection?: FailurePercentageEjection;
  /** Ejects those that fail a number of times in a row, at once. On where none of the three is given. */
  readonly consecutiveFailures?: ConsecutiveFailures;
  /**
   * Where less than this percent of the endpoints is ready and not ejected, ejected ones get RPCs as well (Envoy's
   * `healthy_panic_threshold`). Default 50; 0 turns it off.
   */
  readonly panicThreshold?: number;
  /** How long the weight of an endpoint that returns grows, as under `slowStart`, from 10 %. Default 10 000; 0: at once. */
  readonly returnWindowMs?: number;
  /**
   * Is told of each ejection, and of its end. Must not throw. Ends are found as RPCs begin and end, not by a timer: where
   * none comes, an endpoint is still shown as ejected long after its time.
   */
  readonly onEjection?: (change: EjectionChange) => void;
}

export interface SuccessRateEjection {
  /** Thousandths of a standard deviation below the mean from which an endpoint is an outlier. Default 1 900. */
  readonly stdevFactor?: number;
  /** Percent of the outliers that are ejected. Default 100. */
  readonly enforcementPercentage?: number;
  /** Endpoints with enough RPCs that there have to be. Default 5. */
  readonly minimumHosts?: number;
  /** RPCs in an interval that are enough to judge an endpoint. Default 100. */
  readonly requestVolume?: number;
}

export interface FailurePercentageEjection {
  /** Percent of the RPCs that fail, from which an endpoint is an outlier. 1 to 100, default 85. */
  readonly threshold?: number;
  /** Percent of the outliers that are ejected. Default 100. */
  readonly enforcementPercentage?: number;
  /** Endpoints that there have to be. Default 5. */
  readonly minimumHosts?: number;
  /** RPCs in an interval that are enough to judge an endpoint. Default 50. */
  readonly requestVolume?: number;
}

export interface ConsecutiveFailures {
  /** Failures without a success between them. Default 5. */
  readonly threshold?: number;
  /** Percent of the outliers that are ejected. Default 100. */
  readonly enforcementPercentage?: number;
}

/** What found an endpoint to be an outlier. */
export type EjectionReason = "successRateEjection" | "failurePercentageEjection" | "consecutiveFailures";

/** An endpoint was ejected for `forMs` or up to an interval more, or takes part again. */
export type EjectionChange =
  | { readonly kind: "ejected"; readonly endpoint: Endpoint; readonly reason: EjectionReason; readonly forMs: number }
  | { readonly kind: "returned"; readonly endpoint: Endpoint };

/** The options with their defaults. */
export interface OutlierSettings {
  readonly intervalMs: number;
  readonly baseEjectionTimeMs: number;
  readonly maxEjectionTimeMs: number;
  readonly maxEjectionPercent: number;
  readonly successRateEjection: Required<SuccessRateEjection> | undefined;
  readonly failurePercentageEjection: Required<FailurePercentageEjection> | undefined;
  readonly consecutiveFailures: Required<ConsecutiveFailures> | undefined;
  readonly panicThreshold: number;
  readonly returnWindowMs: number;
  readonly onEjection: ((change: EjectionChange) => void) | undefined;
}

const factory = "outlierDetection";
const percent: NumberRange = { min: 0, max: 100 };
const count: NumberRange = { min: 1, max: 1_000_000_000, integer: true };
const successRateDefaults = { stdevFactor: 1_900, enforcementPercentage: 100, minimumHosts: 5, requestVolume: 100 };
const failurePercentageDefaults = { threshold: 85, enforcementPercentage: 100, minimumHosts: 5, requestVolume: 50 };
const consecutiveDefaults = { threshold: 5, enforcementPercentage: 100 };

/** Throws a `TypeError` or `RangeError` that names the option. */
export function outlierSettings(options: OutlierDetectionOptions): OutlierSettings {
  checkKeys(factory, options, optionNames);
  const time = (name: string, value: number, min: number): number =>
    numberOption(`${factory}.${name}`, value, { min, max: maxTimerMs, unit: "milliseconds" });
  const { intervalMs = 10_000, baseEjectionTimeMs = 30_000, maxEjectionPercent = 10 } = options;
  const { panicThreshold = 50, returnWindowMs = 10_000, onEjection } = options;
  const { successRateEjection, failurePercentageEjection, consecutiveFailures } = options;
  const given = [successRateEjection, failurePercentageEjection, consecutiveFailures];
  const isNoneGiven = given.every((each) => each === undefined);
  time("baseEjectionTimeMs", baseEjectionTimeMs, 1);
  const { maxEjectionTimeMs = Math.max(baseEjectionTimeMs, 300_000) } = options;
  if (onEjection !== undefined) typeOption(`${factory}.onEjection`, onEjection, "function");
  return {
    intervalMs: time("intervalMs", intervalMs, 100),
    baseEjectionTimeMs,
    maxEjectionTimeMs: time("maxEjectionTimeMs", maxEjectionTimeMs, baseEjectionTimeMs),
    maxEjectionPercent: numberOption(`${factory}.maxEjectionPercent`, maxEjectionPercent, percent),
    successRateEjection: numbers("successRateEjection", successRateEjection, successRateDefaults, {
      stdevFactor: { min: 1, max: 1_000_000 },
    }),
    failurePercentageEjection: numbers(
      "failurePercentageEjection",
      isNoneGiven ? {} : failurePercentageEjection,
      failurePercentageDefaults,
      { threshold: { min: 1, max: 100 } },
    ),
    consecutiveFailures: numbers("consecutiveFailures", isNoneGiven ? {} : consecutiveFailures, consecutiveDefaults, {
      threshold: count,
    }),
    panicThreshold: numberOption(`${factory}.panicThreshold`, panicThreshold, percent),
    returnWindowMs: time("returnWindowMs", returnWindowMs, 0),
    onEjection,
  };
}

const optionNames: readonly (keyof OutlierSettings)[] = [
  "intervalMs",
  "baseEjectionTimeMs",
  "maxEjectionTimeMs",
  "maxEjectionPercent",
  "successRateEjection",
  "failurePercentageEjection",
  "consecutiveFailures",
  "panicThreshold",
  "returnWindowMs",
  "onEjection",
];

const sharedRanges: Readonly<Record<string, NumberRange>> = {
  enforcementPercentage: percent,
  minimumHosts: count,
  requestVolume: count,
};

/** The numbers of one of the ways to find outliers, where it is given. */
function numbers<T extends Readonly<Record<string, number>>>(
  name: string,
  given: Partial<T> | undefined,
  defaults: T,
  ranges: Readonly<Record<string, NumberRange>>,
): T | undefined {
  if (given === undefined) return undefined;
  checkKeys(`${factory}.${name}`, given, Object.keys(defaults));
  const checked = Object.entries(defaults).map(([key, byDefault]) => {
    const range = { ...sharedRanges, ...ranges }[key] as NumberRange;
    const { [key]: value = byDefault } = given;
    return [key, numberOption(`${factory}.${name}.${key}`, value, range)];
  });
  return Object.fromEntries(checked);
}
