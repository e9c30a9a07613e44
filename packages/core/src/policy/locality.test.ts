import { FakeClock, seededRandom } from "@evenkeel/testing";
import { afterEach, describe, expect, test, vi } from "vitest";
import { type LoadedCandidate, pick, pickKeys, policyContext, shares } from "../../test-helpers/candidates.ts";
import { pod } from "../../test-helpers/endpoints.ts";
import { inTurn } from "../../test-helpers/policies.ts";
import type { EndpointInit } from "../endpoint/endpoint.ts";
import { StatusCode } from "../errors.ts";
import type { Outcome } from "../outcome/outcome.ts";
import type { Picker } from "../picker/picker.ts";
import { locality } from "./locality.ts";
import type { LocalityOptions } from "./locality-options.ts";
import type { Policy, PolicyContext } from "./policy.ts";

afterEach(() => vi.unstubAllEnvs());

type Candidates = [LoadedCandidate, ...LoadedCandidate[]];

/** `pod-1`, `pod-2` and so on, in these zones. */
function inZones(zones: readonly (string | undefined)[], init: Partial<EndpointInit> = {}): Candidates {
  return zones.map((zone, index) => ({
    endpoint: pod(index + 1, { ...(zone === undefined ? {} : { zone }), ...init }),
    inFlight: 0,
  })) as Candidates;
}

/** As many of each letter's zone as it is repeated: "aab". */
function zoned(letters: string): Candidates {
  return inZones([...letters]);
}

function pickerOf(options: LocalityOptions, candidates: Candidates, context: Partial<PolicyContext> = {}) {
  const known = { endpoints: candidates.map(({ endpoint }) => endpoint), ...context };
  return locality(options, inTurn)(undefined, candidates, policyContext(known));
}

/** The share of picks that are of the zone `zone`. */
function shareOf(zone: string, picker: Picker<LoadedCandidate>, picks = 20_000): number {
  let count = 0;
  for (let index = 0; index < picks; index++) count += pick(picker).endpoint.zone === zone ? 1 : 0;
  return count / picks;
}

const unmeasured = { maxLoadRatio: Number.POSITIVE_INFINITY };

describe("the zone of a client", () => {
  test("is the option's, else what the endpoints say, else the environment's", () => {
    vi.stubEnv("POD_ZONE", "c");
    const zones = ["a", "b", "c"];
    const bare = inZones(zones);
    const told = inZones(zones, { attributes: { clientZone: "b" } });
    expect(shareOf("c", pickerOf(unmeasured, bare))).toBe(1);
    expect(shareOf("b", pickerOf(unmeasured, told))).toBe(1);
    expect(shareOf("a", pickerOf({ zone: "a", ...unmeasured }, told))).toBe(1);
  });

  test("does not matter where it is not known, or has no endpoint", () => {
    vi.stubEnv("POD_ZONE", "");
    expect(shares(pickerOf({}, zoned("abc")), 300)).toEqual(shares(pickerOf({ zone: "d" }, zoned("abc")), 300));
    expect([...shares(pickerOf({}, zoned("abc")), 300).values()]).toEqual([100, 100, 100]);
  });

  test("does not matter where every endpoint is in it", () => {
    expect([...shares(pickerOf({ zone: "a" }, zoned("aaa")), 300).values()]).toEqual([100, 100, 100]);
  });
});

describe("by health", () => {
  test("the local share is what is ready of it, by the overprovisioning", () => {
    for (const overprovisioning of [1, 1.4, 2]) {
      for (let ready = 1; ready <= 10; ready++) {
        const all = zoned("aaaaaaaaaabbbbbbbbbbbbbbbbbbbb");
        const candidates = all.slice(10 - ready) as Candidates;
        const options = { zone: "a", overprovisioning, ...unmeasured };
        const picker = pickerOf(options, candidates, { endpoints: all.map(({ endpoint }) => endpoint) });
        expect(shareOf("a", picker)).toBeCloseTo(Math.min(1, (overprovisioning * ready) / 10), 1);
      }
    }
  });

  test("others get no more than theirs can bear", () => {
    const all = zoned("aaaaaaaaaabbbbbbbbbb");
    const candidates = all.slice(9, 12) as Candidates; // 1 of 10, and 2 of 10
    const picker = pickerOf({ zone: "a", ...unmeasured }, candidates, { endpoints: all.map((each) => each.endpoint) });
    expect(shareOf("a", picker)).toBeCloseTo(1 / 3, 1);
  });

  test("others get everything while nothing local is ready", () => {
    const all = zoned("aab");
    const picker = pickerOf({ zone: "a" }, all.slice(2) as Candidates, { endpoints: all.map((each) => each.endpoint) });
    expect(pickKeys(picker, 3)).toEqual(["pod-3", "pod-3", "pod-3"]);
  });
});

describe("by number", () => {
  test("a zone with few endpoints keeps what makes them as busy as is allowed", () => {
    const candidates = zoned("aaaaaabbbc");
    expect(shareOf("c", pickerOf({ zone: "c" }, candidates))).toBeCloseTo(0.375, 2); // 1.25 * 3 zones * 1 / 10
    expect(shareOf("c", pickerOf({ zone: "c", maxLoadRatio: 1 }, candidates))).toBeCloseTo(0.3, 2);
    expect(shareOf("b", pickerOf({ zone: "b" }, candidates))).toBeCloseTo(0.97, 2);
    expect(shareOf("a", pickerOf({ zone: "a" }, candidates))).toBeCloseTo(0.97, 2);
    expect(shareOf("c", pickerOf({ zone: "c", ...unmeasured }, candidates))).toBe(1);
  });

  test("the rest goes to zones that have more than they need", () => {
    const picker = pickerOf({ zone: "c" }, zoned("aaaaaabbbc"));
    expect(shareOf("b", picker)).toBe(0);
    expect(shareOf("a", picker)).toBeCloseTo(0.625, 2);
  });

  test("a zone whose endpoints are all gone has clients yet", () => {
    const all = zoned("aabbcc");
    const context = { endpoints: all.map(({ endpoint }) => endpoint) };
    const picker = pickerOf(
      { zone: "a", maxLoadRatio: 1, overprovisioning: 2 },
      all.slice(1, 4) as Candidates,
      context,
    );
    expect(shareOf("a", picker)).toBeCloseTo(0.97, 2); // 3 zones * 1 / 3
  });

  test("weights are those of the context", () => {
    const weightOf: PolicyContext["weightOf"] = ({ endpoint }) => (endpoint.zone === "a" ? 1 : 9);
    const picker = pickerOf({ zone: "a", maxLoadRatio: 1 }, zoned("aabb"), { weightOf });
    expect(shareOf("a", picker)).toBeCloseTo(0.2, 2); // 2 zones * 2 / 20
  });

  test("endpoints of no zone have room", () => {
    const candidates = inZones(["a", "b", "b", undefined, undefined]);
    const spilled = new Set(pickKeys(pickerOf({ zone: "a", maxLoadRatio: 1 }, candidates), 1_000));
    expect(spilled).toEqual(new Set(["pod-1", "pod-4", "pod-5"]));
  });
});

describe("topology hints", () => {
  /** Zone and hints of each pod. */
  function hinted(...pods: readonly (readonly [string, (readonly string[])?])[]): Candidates {
    return pods.map(([zone, forZones], index) => ({
      endpoint: pod(index + 1, { zone, attributes: forZones === undefined ? {} : { forZones } }),
      inFlight: 0,
    })) as Candidates;
  }

  test("say what is local where all have some, and one is for this zone", () => {
    const candidates = hinted(["a", ["a"]], ["b", ["a", "b"]], ["b", ["b"]], ["b", ["b"]]);
    const keys = pickKeys(pickerOf({ zone: "a", ...unmeasured }, candidates), 4);
    expect(keys).toEqual(["pod-1", "pod-2", "pod-1", "pod-2"]);
  });

  test.each([
    ["one has none", hinted(["a", ["a"]], ["b", ["a"]], ["b"])],
    ["one has an empty list", hinted(["a", ["a"]], ["b", ["a"]], ["b", []])],
    ["none is for this zone", hinted(["a", ["b"]], ["b", ["b"]], ["b", ["b"]])],
  ])("do not count where %s", (_, candidates) => {
    expect(pickKeys(pickerOf({ zone: "a", ...unmeasured }, candidates), 3)).toEqual(["pod-1", "pod-1", "pod-1"]);
  });

  test("do not count where they are to be ignored", () => {
    const candidates = hinted(["a", ["b"]], ["b", ["a"]]);
    expect(pickKeys(pickerOf({ zone: "a", ...unmeasured }, candidates), 1)).toEqual(["pod-2"]);
    expect(pickKeys(pickerOf({ zone: "a", hints: "ignore", ...unmeasured }, candidates), 1)).toEqual(["pod-1"]);
  });

  test("of endpoints that are not ready do not count", () => {
    const candidates = hinted(["a", ["b"]], ["b", ["a"]]);
    const notReady = pod(3, { zone: "b", ready: false });
    const endpoints = [...candidates.map(({ endpoint }) => endpoint), notReady];
    expect(pickKeys(pickerOf({ zone: "a", ...unmeasured }, candidates, { endpoints }), 1)).toEqual(["pod-2"]);
  });

  test("do not count where they would overload the endpoints of this zone", () => {
    // the hints give zone a one endpoint of six, though there are three in it
    const candidates = hinted(["a", ["a"]], ["a", ["b"]], ["a", ["b"]], ["b", ["b"]], ["b", ["b"]], ["b", ["b"]]);
    const counts = shares(pickerOf({ zone: "a" }, candidates), 10_000);
    for (const key of ["pod-1", "pod-2", "pod-3"]) expect((counts.get(key) ?? 0) / 10_000).toBeCloseTo(0.97 / 3, 2);
    expect(new Set(pickKeys(pickerOf({ zone: "a", maxLoadRatio: 4 }, candidates), 1_000))).toContain("pod-1");
  });
});

describe("the pickers of the child", () => {
  /** A child that keeps what it was called with. */
  function recorded() {
    const made: { keys: string[]; previous: unknown; picker: unknown; reports: string[] }[] = [];
    const policy: Policy = (previous, candidates, context) => {
      const reports: string[] = [];
      const child = inTurn(undefined, candidates, context);
      const picker = {
        pick: child.pick.bind(child),
        report: ({ endpoint }: (typeof candidates)[0]) => reports.push(endpoint.key),
      };
      made.push({ keys: candidates.map(({ endpoint }) => endpoint.key), previous, picker, reports });
      return picker;
    };
    return { made, policy };
  }
  const ok: Outcome = { code: StatusCode.ok, fate: "answered", firstByteMs: 1, durationMs: 1 };

  test("are made where their side has any, and go on on their own side", () => {
    const { made, policy } = recorded();
    const local = locality({ zone: "a", ...unmeasured }, policy);
    const all = zoned("aabb");
    const context = policyContext({ endpoints: all.map(({ endpoint }) => endpoint) });
    const first = local(undefined, all, context);
    const second = local(first, all.slice(2) as Candidates, context); // nothing local is ready
    local(second, [all[1], ...all.slice(2)] as Candidates, context); // one is
    expect(made.map(({ keys }) => keys.join())).toEqual([
      "pod-1,pod-2",
      "pod-3,pod-4",
      "pod-3,pod-4",
      "pod-2",
      "pod-3,pod-4",
    ]);
    const [a, b, c, d, e] = made;
    expect([a?.previous, b?.previous]).toEqual([undefined, undefined]);
    expect(c?.previous).toBe(b?.picker);
    expect(d?.previous).toBe(a?.picker);
    expect(e?.previous).toBe(c?.picker);
  });

  test("get the outcomes of their side, also where nothing of it is left", () => {
    const { made, policy } = recorded();
    const local = locality({ zone: "a", overprovisioning: 1, ...unmeasured }, policy);
    const all = zoned("aab");
    const [first, second, third] = all;
    if (second === undefined || third === undefined) throw new Error("there are three");
    const context = policyContext({ endpoints: all.map(({ endpoint }) => endpoint) });
    const picker = local(undefined, [first, third], context);
    picker.report?.(first, ok);
    picker.report?.(third, ok);
    const alone = local(picker, [first, second], context);
    alone.report?.(second, ok);
    alone.report?.(third, ok);
    expect(made.map(({ keys, reports }) => [keys.join(), reports])).toEqual([
      ["pod-1", ["pod-1"]],
      ["pod-3", ["pod-3", "pod-3"]],
      ["pod-1,pod-2", ["pod-2"]],
    ]);
  });

  test("of another policy are taken for none", () => {
    const { made, policy } = recorded();
    const other = locality({ zone: "a" }, inTurn);
    const candidates = zoned("ab");
    const before = other(undefined, candidates, policyContext());
    pickKeys(before, 100);
    pickKeys(locality({ zone: "a" }, policy)(before, candidates, policyContext()), 100);
    expect(made.map(({ previous }) => previous)).toEqual([undefined, undefined]);
  });
});

test("no random number is drawn where everything stays local", () => {
  const random = () => {
    throw new Error("drawn");
  };
  const candidates = zoned("aab");
  expect(
    pickKeys(locality({ zone: "a", ...unmeasured }, first)(undefined, candidates, policyContext({ random })), 2),
  ).toEqual(["pod-1", "pod-1"]);
});

test("what was measured outlives a change of the set", () => {
  const clock = new FakeClock();
  const policy = locality({ zone: "a" }, inTurn);
  const candidates = zoned("aabb");
  const context = policyContext({ clock, random: seededRandom(2), endpoints: candidates.map((each) => each.endpoint) });
  let picker = policy(undefined, candidates, context);
  for (let second = 0; second < 10; second++) {
    clock.tick(1_000);
    for (let rpc = 0; rpc < 1_000; rpc++) {
      const candidate = pick(picker);
      const ms = candidate.endpoint.zone === "a" ? 50 : 10;
      picker.report?.(candidate, { code: StatusCode.ok, fate: "answered", firstByteMs: ms, durationMs: ms });
    }
  }
  const before = shareOf("a", picker);
  expect(before).toBeLessThan(0.3);
  picker = policy(picker, candidates.slice(1) as Candidates, {
    ...context,
    endpoints: candidates.slice(1).map(({ endpoint }) => endpoint),
  });
  expect(shareOf("a", picker)).toBeLessThanOrEqual(before + 0.01);
});

describe("options", () => {
  test("that are none are refused, naming them", () => {
    const cases: [LocalityOptions, RegExp][] = [
      [{ zone: "" }, /^locality.zone: /],
      [{ zone: 1 as never }, /^locality.zone: expected a string/],
      [{ hints: "honor" as never }, /^locality.hints: expected "honour" or "ignore", got honor/],
      [{ overprovisioning: 0.9 }, /^locality.overprovisioning: expected a number from 1 to 100/],
      [{ maxLoadRatio: 0.5 }, /^locality.maxLoadRatio: /],
      [{ remoteProbeFraction: 0.6 }, /^locality.remoteProbeFraction: expected a number from 0 to 0.5/],
      [
        { remoteProbeFraction: null as never },
        /^locality.remoteProbeFraction: expected a number from 0 to 0.5, got null/,
      ],
      [{ overprovisioning: null as never }, /^locality.overprovisioning: /],
      [{ zone: null as never }, /^locality.zone: /],
      [[] as never, /^locality: expected an object of options/],
      [{ remoteProbeFraction: 0.1, ...unmeasured }, /^locality.remoteProbeFraction: there is nothing to compare/],
      [{ zones: [] } as never, /^zones: no option of locality/],
    ];
    for (const [options, message] of cases) expect(() => locality(options, inTurn)).toThrow(message);
    expect(() => locality({}, undefined as never)).toThrow(/^locality.child: expected a function/);
  });
});

/** Always the first. */
const first: Policy = (_, candidates) => ({ pick: () => ({ kind: "complete", candidate: candidates[0] }) });
