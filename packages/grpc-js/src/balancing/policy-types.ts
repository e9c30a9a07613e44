import {
  leastRequest,
  maglev,
  maxTimerMs,
  neverQueue,
  type Policy,
  peakEwma,
  random,
  ringHash,
  roundRobin,
  shortestExpectedDelay,
} from "@evenkeel/core";
import { readPolicy } from "./balancing-json.ts";
import { hashFields, hashOptions } from "./hash-json.ts";
import { defined, duration, type Fields, integer, type Values } from "./json-fields.ts";
import type { PolicyType } from "./policy-type.ts";

/** gRFC A48's: it takes more for as many. */
const mostChoices = 10;
const maxUint32 = 2 ** 32 - 1;
/** gRFC A42's and Envoy's. */
const ringSize = integer({ min: 1, max: 8_388_608 });
/** Core's, in points for each endpoint of weight 1. */
const usualMinRingSize = 1_024;
/** Core's, in points for all; a config's larger ones count as it, as beyond the cap of gRFC A76, which is 4 096. */
const ringSizeCap = 131_072;

/**
 * Core's policies as service configs name them, with the names and JSON of gRPC where a gRFC defines them, else Envoy's.
 * Each also has the fields of `readPolicy`. What is not given has core's default, as in evenkeel's other transports:
 * `least_request` without `choiceCount` compares all of up to 12, where gRFC A48 has 2.
 */
export const policyTypes: readonly PolicyType[] = [
  policyType(
    ["least_request", "least_request_experimental"],
    { choiceCount: integer({ min: 2, max: maxUint32 }) },
    ({ choiceCount }) => leastRequest(choiceCount === undefined ? {} : { choices: Math.min(choiceCount, mostChoices) }),
  ),
  policyType(["shortest_expected_delay"], {}, shortestExpectedDelay),
  policyType(["never_queue"], {}, neverQueue),
  policyType(["peak_ewma"], { decayTime: duration({ min: 1, max: maxTimerMs }) }, ({ decayTime }) =>
    peakEwma(defined({ decayMs: decayTime })),
  ),
  // that the one size is above the other, core says: by the names that they have here
  policyType(
    ["ring_hash", "ring_hash_experimental"],
    { ...hashFields, minRingSize: ringSize, maxRingSize: ringSize },
    ({ minRingSize, maxRingSize, ...hash }) =>
      ringHash({ ...hashOptions(hash), ...ringSizes(minRingSize, maxRingSize) }),
  ),
  policyType(["maglev"], { ...hashFields, tableSize: integer({ min: 2, max: 5_000_011 }) }, ({ tableSize, ...hash }) =>
    maglev({ ...hashOptions(hash), ...defined({ tableSize }) }),
  ),
  policyType(["random"], {}, random),
  // grpc-js has a round_robin of its own
  policyType(["evenkeel_round_robin"], {}, roundRobin),
];

function policyType<F extends Fields>(
  names: PolicyType["names"],
  fields: F,
  make: (values: Values<F>) => Policy,
): PolicyType {
  return { names, parse: (json) => readPolicy(json, fields, make) };
}

/** Where only `max` is given, the other gives way. */
function ringSizes(min: number | undefined, max = ringSizeCap): { minRingSize: number; maxRingSize: number } {
  const maxRingSize = Math.min(max, ringSizeCap);
  const minRingSize = min === undefined ? Math.min(usualMinRingSize, maxRingSize) : Math.min(min, ringSizeCap);
  return { minRingSize, maxRingSize };
}
