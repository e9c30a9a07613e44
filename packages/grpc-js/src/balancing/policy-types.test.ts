import {
  leastRequest,
  maglev,
  neverQueue,
  type Policy,
  peakEwma,
  random,
  ringHash,
  roundRobin,
  shortestExpectedDelay,
} from "@evenkeel/core";
import { FakeClock } from "@evenkeel/testing";
import { describe, expect, test } from "vitest";
import {
  candidates,
  failure,
  type LoadedCandidate,
  outcome,
  policyContext,
} from "../../../core/test-helpers/candidates.ts";
import { policyTypes } from "./policy-types.ts";

function parse(name: string, json: unknown): Policy {
  const type = policyTypes.find(({ names }) => names.includes(name));
  if (type === undefined) throw new RangeError(`there is no policy ${name}`);
  return type.parse(json);
}

/** Whom it sends 600 RPCs of 40 users to, among 20 pods: the first fails, each is slower than the one before. */
function trace(policy: Policy): string[] {
  const clock = new FakeClock();
  const pods = candidates(20);
  const picker = policy(undefined, pods, policyContext({ clock, endpoints: pods.map(({ endpoint }) => endpoint) }));
  const open: LoadedCandidate[] = [];
  return Array.from({ length: 600 }, (_, rpc) => {
    const header = (name: string) => (name === "x-user-id" ? `user-${(rpc * rpc) % 40}` : undefined);
    const result = picker.pick({ path: "/demo.v1.Demo/Call", header });
    if (result.kind !== "complete") throw new Error(`expected a pod, got ${result.kind}`);
    result.candidate.inFlight++;
    open.push(result.candidate);
    if (open.length > 40) {
      const done = open.shift() as LoadedCandidate;
      const ms = 10 * (1 + pods.indexOf(done));
      done.inFlight--;
      picker.report?.(done, done === pods[0] ? failure : outcome({ firstByteMs: ms, durationMs: ms }));
    }
    clock.tick(20);
    return result.candidate.endpoint.key;
  });
}

const key = { header: "x-user-id" };
const requestHashHeader = "x-user-id";

describe("the policies of a service config", () => {
  test("have these names", () => {
    expect(policyTypes.map(({ names }) => names)).toEqual([
      ["least_request", "least_request_experimental"],
      ["shortest_expected_delay"],
      ["never_queue"],
      ["peak_ewma"],
      ["ring_hash", "ring_hash_experimental"],
      ["maglev"],
      ["random"],
      ["evenkeel_round_robin"],
    ]);
  });

  test.each([
    ["least_request", leastRequest()],
    ["shortest_expected_delay", shortestExpectedDelay()],
    ["never_queue", neverQueue()],
    ["peak_ewma", peakEwma()],
    ["random", random()],
    ["evenkeel_round_robin", roundRobin()],
  ])("%s is core's without a config", (name, policy) => {
    const nothing = { outlierDetection: null, slowStartConfig: null, locality: null };
    for (const json of [{}, null, undefined, nothing]) expect(trace(parse(name, json))).toEqual(trace(policy));
  });

  test.each([
    ["least_request", { choiceCount: 5 }, leastRequest({ choices: 5 })],
    ["least_request_experimental", { choiceCount: "10" }, leastRequest({ choices: 10 })],
    ["least_request", { choiceCount: 11 }, leastRequest({ choices: 10 })],
    ["least_request", { choiceCount: 4_294_967_295 }, leastRequest({ choices: 10 })],
    ["peak_ewma", { decayTime: "0.1s" }, peakEwma({ decayMs: 100 })],
    ["peak_ewma", { decayTime: "0.001s" }, peakEwma({ decayMs: 1 })],
    ["ring_hash", { requestHashHeader, minRingSize: 16 }, ringHash({ key, minRingSize: 16 })],
    ["ring_hash_experimental", { requestHashHeader, maxRingSize: "1024" }, ringHash({ key, maxRingSize: 1_024 })],
    ["ring_hash", { requestHashHeader, maxRingSize: 500 }, ringHash({ key, minRingSize: 500, maxRingSize: 500 })],
    [
      "ring_hash",
      { requestHashHeader, minRingSize: 200_000 },
      ringHash({ key, minRingSize: 131_072, maxRingSize: 131_072 }),
    ],
    ["ring_hash", { requestHashHeader, hashBalanceFactor: 105 }, ringHash({ key, loadFactor: 1.05 })],
    ["maglev", { requestHashHeader, tableSize: "101" }, maglev({ key, tableSize: 101 })],
    ["maglev", { requestHashHeader, hashBalanceFactor: "150" }, maglev({ key, loadFactor: 1.5 })],
  ])("%s %j is core's with these options", (name, json, policy) => {
    const actual = trace(parse(name, json));
    expect(actual).toEqual(trace(policy));
    // else they would show nothing
    expect(actual).not.toEqual(trace(parse(name, "requestHashHeader" in json ? { requestHashHeader } : {})));
  });

  test.each([
    ["ring_hash", ringHash({ key })],
    ["maglev", maglev({ key })],
  ])("%s hashes the header that is named, in any case, and sends RPCs without one anywhere", (name, policy) => {
    expect(trace(parse(name, { requestHashHeader: "X-User-Id" }))).toEqual(trace(policy));
    const anywhere = trace(parse(name, { requestHashHeader: "x-other" }));
    expect(new Set(anywhere).size).toBe(20);
    expect(anywhere.slice(0, 40)).not.toEqual(anywhere.slice(40, 80));
    expect(anywhere).toEqual(trace(name === "maglev" ? maglev({ key: () => "" }) : ringHash({ key: () => "" })));
  });

  test.each([
    ["least_request", { choiceCount: 1 }, RangeError, "choiceCount: expected an integer from 2 to 4294967295, got 1"],
    ["least_request", { choiceCount: 0 }, RangeError, "choiceCount: expected an integer from 2"],
    [
      "least_request",
      { choiceCount: "many" },
      TypeError,
      'choiceCount: expected an integer from 2 to 4294967295, got "m',
    ],
    [
      "least_request",
      { choices: 2 },
      TypeError,
      "choices: no field of this policy, which has choiceCount, outlierDetection, slowStartConfig, locality",
    ],
    ["least_request", [], TypeError, "expected an object of fields, got []"],
    ["least_request", "{}", TypeError, 'expected an object of fields, got "{}"'],
    ["least_request", false, TypeError, "expected an object of fields, got false"],
    [
      "random",
      { choiceCount: 2 },
      TypeError,
      "choiceCount: no field of this policy, which has outlierDetection, slowStartConfig, locality",
    ],
    ["shortest_expected_delay", { weights: true }, TypeError, "weights: no field of this policy"],
    ["never_queue", 0, TypeError, "expected an object of fields, got 0"],
    ["evenkeel_round_robin", { shuffle: true }, TypeError, "shuffle: no field of this policy"],
    [
      "peak_ewma",
      { decayTime: 10 },
      TypeError,
      'decayTime: expected a duration from "0.001s" to "2147483.647s", got 10',
    ],
    ["peak_ewma", { decayTime: "0s" }, RangeError, 'decayTime: expected a duration from "0.001s"'],
    ["peak_ewma", { decayMs: 10 }, TypeError, "decayMs: no field of this policy, which has decayTime"],
    [
      "ring_hash",
      { requestHashHeader, minRingSize: 0 },
      RangeError,
      "minRingSize: expected an integer from 1 to 8388608",
    ],
    [
      "ring_hash",
      { requestHashHeader, maxRingSize: 8_388_609 },
      RangeError,
      "maxRingSize: expected an integer from 1 to",
    ],
    [
      "ring_hash",
      { requestHashHeader, minRingSize: 5, maxRingSize: 4 },
      RangeError,
      "minRingSize: expected at most maxRingSize, which is 4, got 5",
    ],
    [
      "ring_hash",
      { requestHashHeader, tableSize: 101 },
      TypeError,
      "tableSize: no field of this policy, which has requestHashHeader, hashBalanceFactor, minRingSize, maxRingSize, outlie",
    ],
    ["maglev", { requestHashHeader, tableSize: 65_536 }, RangeError, "tableSize: expected a prime, got 65536"],
    [
      "maglev",
      { requestHashHeader, tableSize: 1 },
      RangeError,
      "tableSize: expected an integer from 2 to 5000011, got 1",
    ],
    [
      "maglev",
      { requestHashHeader, tableSize: 5_000_012 },
      RangeError,
      "tableSize: expected an integer from 2 to 5000011",
    ],
  ])("%s refuses %j", (name, json, type, message) => {
    const make = () => parse(name, json);
    expect(make).toThrow(type);
    expect(make).toThrow(message);
  });

  test.each(["ring_hash", "ring_hash_experimental", "maglev"])("%s refuses what is no header to hash", (name) => {
    const none = new TypeError(
      "requestHashHeader: expected the name of a header, got none; nothing else says what to hash",
    );
    for (const json of [undefined, null, {}, { requestHashHeader: "" }, { requestHashHeader: null }]) {
      expect(() => parse(name, json)).toThrow(none);
    }
    const refused: readonly (readonly [unknown, string])[] = [
      [5, "expected the name of a header, got 5"],
      ["user id", 'expected the name of a header, got "user id"'],
      [":path", 'expected the name of a header, got ":path"'],
      ["Trace-Bin", "Trace-Bin is binary, and gRPC hashes no such header"],
    ];
    for (const [header, message] of refused) {
      expect(() => parse(name, { requestHashHeader: header })).toThrow(new TypeError(`requestHashHeader: ${message}`));
    }
    for (const hashBalanceFactor of [0, 104, 10_001, 125.5]) {
      expect(() => parse(name, { requestHashHeader, hashBalanceFactor })).toThrow(
        new RangeError(`hashBalanceFactor: expected an integer from 105 to 10000, got ${hashBalanceFactor}`),
      );
    }
  });

  test.each([
    ["least_request", { choiceCount: 2 }],
    ["peak_ewma", { decayTime: "2147483.647s" }],
    ["ring_hash", { requestHashHeader, minRingSize: 1, maxRingSize: 1 }],
    ["ring_hash", { requestHashHeader, minRingSize: 8_388_608, maxRingSize: "8388608" }],
    ["ring_hash", { requestHashHeader, hashBalanceFactor: 10_000 }],
    ["maglev", { requestHashHeader, tableSize: 2 }],
    ["maglev", { requestHashHeader, tableSize: 5_000_011 }],
  ])("%s has the range that core has: %j", (name, json) => {
    expect(parse(name, json)).toBeTypeOf("function");
  });
});
