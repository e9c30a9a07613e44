import { seededRandom } from "@evenkeel/testing";
import { describe, expect, test } from "vitest";
import { keysOf, pod, pods, shuffled } from "../../test-helpers/endpoints.ts";
import { areAlike, defaultEndpointKey, type HashMember, hashMembers } from "./hash-members.ts";

const words = (members: readonly HashMember[]): Map<string, string> =>
  new Map(members.map(({ endpoint, high, low }) => [endpoint.key, `${high} ${low}`]));

describe("the name of an endpoint", () => {
  test("is its hash key, else its pod, else nothing, for which its key stands in", () => {
    expect(defaultEndpointKey(pod(1, { attributes: { hashKey: "a" } }))).toBe("a");
    for (const hashKey of ["", 5, undefined]) {
      expect(defaultEndpointKey(pod(1, { attributes: { hashKey } }))).toBe("pod-1");
    }
    const { podName: _, ...bare } = pod(1, { key: "10.0.0.1:8080" });
    expect(defaultEndpointKey(bare)).toBeUndefined();
    const named = pod(2, { podName: "10.0.0.1:8080" });
    expect(words(hashMembers([bare], defaultEndpointKey)).get(bare.key)).toBe(
      words(hashMembers([named], defaultEndpointKey)).get(named.key),
    );
  });
});

describe("members", () => {
  test("are in the same order, whatever that of the endpoints is", () => {
    const members = hashMembers(pods(50), defaultEndpointKey);
    const others = hashMembers(shuffled(seededRandom(5), pods(50)), defaultEndpointKey);
    expect(keysOf(others.map(({ endpoint }) => endpoint))).toEqual(keysOf(members.map(({ endpoint }) => endpoint)));
    expect(areAlike(members, others)).toBe(true);
  });

  test("are alike when their names and weights are", () => {
    const members = hashMembers(pods(3), defaultEndpointKey);
    const moved = pods(3).map((endpoint) => ({ ...endpoint, key: `uid of ${endpoint.key}`, zone: "eu-1" }));
    expect(areAlike(members, hashMembers(moved, defaultEndpointKey))).toBe(true);
    expect(areAlike(members, hashMembers(pods(4), defaultEndpointKey))).toBe(false);
    expect(areAlike(members, hashMembers([...pods(2), pod(3, { weight: 2 })], defaultEndpointKey))).toBe(false);
    expect(areAlike(members, hashMembers([...pods(2), pod(4)], defaultEndpointKey))).toBe(false);
  });

  test("that share a name are told apart, and stay apart however many share it", () => {
    const twins = [pod(1, { podName: "twin" }), pod(2, { podName: "twin" }), pod(3)];
    const members = words(hashMembers(twins, defaultEndpointKey));
    expect(new Set(members.values()).size).toBe(3);
    const triplets = words(hashMembers([...twins, pod(4, { podName: "twin" })], defaultEndpointKey));
    for (const key of ["pod-1", "pod-2", "pod-3"]) expect(triplets.get(key)).toBe(members.get(key));
    expect(members.get("pod-3")).toBe(words(hashMembers([pod(3)], defaultEndpointKey)).get("pod-3"));
  });

  test("have two hashes that do not follow from each other", () => {
    const members = hashMembers(pods(2_000), defaultEndpointKey);
    const agree = members.filter(({ high, low }) => high >>> 24 === low >>> 24).length;
    expect(agree).toBeLessThan(30); // 8 expected
  });
});
