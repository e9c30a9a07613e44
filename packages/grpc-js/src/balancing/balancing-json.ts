import { type LocalityOptions, maxTimerMs, type Policy, type SlowStartOptions, stackPolicies } from "@evenkeel/core";
import {
  decimal,
  defined,
  duration,
  type Field,
  type Fields,
  integer,
  message,
  oneOf,
  readFields,
  text,
  type Values,
} from "./json-fields.ts";
import { outlierDetectionField } from "./outlier-json.ts";

/**
 * gRFC A100's `slowStartConfig`, which has the names of Envoy's. It is a draft for `weighted_round_robin` only; here it goes
 * with each policy that heeds weights.
 */
const slowStartField: Field<SlowStartOptions> = (value, path) => {
  const { slowStartWindow, aggression, minWeightPercent } = readFields(value, path, {
    slowStartWindow: duration({ min: 1, max: maxTimerMs }),
    aggression: decimal({ min: 0.01, max: 100 }),
    minWeightPercent: integer({ min: 1, max: 100 }),
  });
  if (slowStartWindow === undefined) throw new TypeError(`${path}.slowStartWindow: expected a duration, got none`);
  return { windowMs: slowStartWindow, ...defined({ aggression, minWeightPercent }) };
};

/** Core's options under their own names. */
const localityField: Field<LocalityOptions> = message({
  zone: text("the name of a zone"),
  hints: oneOf("honour", "ignore"),
  overprovisioning: decimal({ min: 1, max: 100 }),
  maxLoadRatio: decimal({ min: 1, max: Number.POSITIVE_INFINITY }),
  remoteProbeFraction: decimal({ min: 0, max: 0.5 }),
});

const balancingFields = {
  outlierDetection: outlierDetectionField,
  slowStartConfig: slowStartField,
  locality: localityField,
};

/**
 * Reads the config of a policy: its own fields, and those that every policy has, of what stands around it. None is as an
 * empty one. Throws a `TypeError` or `RangeError` that names the field.
 */
export function readPolicy<F extends Fields>(json: unknown, fields: F, make: (values: Values<F>) => Policy): Policy {
  const values = readFields(json ?? {}, "", { ...fields, ...balancingFields });
  const { outlierDetection, slowStartConfig, locality } = values as Values<typeof balancingFields>;
  const policy = make(values as Values<F>);
  return stackPolicies({ policy, ...defined({ outlierDetection, slowStart: slowStartConfig, locality }) });
}
