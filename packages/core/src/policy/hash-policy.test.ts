import { seededRandom } from "@evenkeel/testing";
import { describe, expect, test } from "vitest";
import { candidatesOf, countsOf, movesOf, ownersOf, pickFor } from "../../test-helpers/affinity.ts";
import { policyContext } from "../../test-helpers/candidates.ts";
import { pod, pods, shuffled } from "../../test-helpers/endpoints.ts";
import type { Endpoint } from "../endpoint/endpoint.ts";
import { StatusCode, StatusError } from "../errors.ts";
import type { HashOptions } from "./hash-policy.ts";
import { maglev } from "./maglev.ts";
import type { Policy } from "./policy.ts";
import { ringHash } from "./ring-hash.ts";

const key = { header: "x-user-id" };
const outcome = { code: StatusCode.ok, fate: "answered", firstByteMs: 1, durationMs: 2 } as const;

function make(policy: Policy, endpoints: readonly Endpoint[]) {
  return policy(undefined, candidatesOf(endpoints), policyContext({ endpoints }));
}

describe.each([
  ["ring hash", ringHash as (options: HashOptions) => Policy],
  ["maglev", maglev as (options: HashOptions) => Policy],
])("%s", (_name, factory) => {
  test("sends the RPCs of a key to one endpoint, in whichever order the endpoints are known", () => {
    const endpoints = pods(20);
    const owners = ownersOf(make(factory({ key }), endpoints), 1_000);
    expect(ownersOf(make(factory({ key }), shuffled(seededRandom(2), endpoints)), 1_000)).toEqual(owners);
    expect(new Set(owners).size).toBe(20);
  });

  test("sends RPCs without a key, or with an empty one, anywhere", () => {
    const picker = make(factory({ key }), pods(5));
    const anywhere = Array.from({ length: 5_000 }, () => pickFor(picker, "").endpoint.key);
    for (const count of countsOf(anywhere).values()) expect(Math.abs(count - 1_000)).toBeLessThan(200);
    const none = new Set(Array.from({ length: 100 }, () => picker.pick({ path: "/a.B/C" })));
    expect(none.size).toBe(5);
  });

  test("has the same keys for an endpoint that returns, and moves no others meanwhile", () => {
    const endpoints = pods(10);
    const all = candidatesOf(endpoints);
    const context = policyContext({ endpoints });
    const policy = factory({ key });
    const whole = policy(undefined, all, context);
    const owners = ownersOf(whole, 10_000);
    const [first, ...others] = all;
    const away = policy(whole, others as unknown as typeof all, context);
    const moved = movesOf(owners, ownersOf(away, 10_000));
    expect([...moved]).toEqual([["pod-1", countsOf(owners).get("pod-1")]]);
    expect(ownersOf(policy(away, [...others, first] as unknown as typeof all, context), 10_000)).toEqual(owners);
  });

  test("spreads the keys of an endpoint that is away over all others", () => {
    const endpoints = pods(10);
    const [, ...others] = candidatesOf(endpoints);
    const context = policyContext({ endpoints });
    const before = ownersOf(make(factory({ key }), endpoints), 20_000);
    const after = ownersOf(factory({ key })(undefined, others as unknown as typeof others & [never], context), 20_000);
    const heirs = countsOf(after.filter((owner, user) => owner !== before[user]));
    const expected = (countsOf(before).get("pod-1") ?? 0) / 9;
    expect(heirs.size).toBe(9);
    for (const count of heirs.values()) expect(Math.abs(count - expected)).toBeLessThan(0.4 * expected);
  });

  test("says the same whether it was made from the one before or anew", () => {
    const random = seededRandom(8);
    const policy = factory({ key });
    let set = pods(6);
    let picker = make(policy, set);
    for (let change = 0; change < 30; change++) {
      const next = change + 7;
      const drop = Math.floor(random() * set.length);
      const joining = pod(next, { weight: 1 + (next % 3) });
      const what = random();
      if (what < 0.3) set = set.with(drop, joining);
      else if (what < 0.5) set = set.toSpliced(drop, 1);
      else if (what < 0.8) set = [...set, joining];
      if (random() < 0.3) set = set.with(0, { ...(set[0] as Endpoint), weight: 1 + random() });
      picker = policy(picker, candidatesOf(set), policyContext({ endpoints: set }));
      expect(ownersOf(picker, 300)).toEqual(ownersOf(make(factory({ key }), set), 300));
    }
  });

  test("goes by the candidates where it is not told of the whole set", () => {
    const context = policyContext();
    const policy = factory({ key });
    const set = candidatesOf(pods(10));
    const [, ...others] = set;
    const picker = policy(policy(undefined, set, context), others as unknown as typeof set, context);
    expect(ownersOf(picker, 2_000)).toEqual(ownersOf(make(factory({ key }), pods(10).slice(1)), 2_000));
  });

  test("takes nothing over from the picker of another policy", () => {
    const endpoints = pods(5);
    const own = ownersOf(make(factory({ key }), endpoints), 500);
    for (const other of [maglev({ key, tableSize: 101 }), ringHash({ key, minRingSize: 8 })]) {
      const picker = factory({ key })(make(other, endpoints), candidatesOf(endpoints), policyContext({ endpoints }));
      expect(ownersOf(picker, 500)).toEqual(own);
    }
    const renamed = factory({ key, endpointKey: ({ key: name }) => `other-${name}` });
    const picker = renamed(make(factory({ key }), endpoints), candidatesOf(endpoints), policyContext({ endpoints }));
    expect(ownersOf(picker, 500)).toEqual(ownersOf(make(renamed, endpoints), 500));
  });

  test("keeps the keys of a pod whose address changes, by its name or its hash key", () => {
    const named = pods(8);
    const moved = named.map((endpoint, index) =>
      pod(index + 1, { ...endpoint, key: `uid-${index}`, host: "10.9.9.9" }),
    );
    const numberOf = (owners: readonly string[], set: readonly Endpoint[]): number[] =>
      owners.map((owner) => set.findIndex((endpoint) => endpoint.key === owner));
    const before = numberOf(ownersOf(make(factory({ key }), named), 500), named);
    expect(numberOf(ownersOf(make(factory({ key }), moved), 500), moved)).toEqual(before);

    const hashKeys = named.map((endpoint, index) => ({ ...endpoint, attributes: { hashKey: `shard-${index}` } }));
    const renamed = hashKeys.map((endpoint, index) => ({ ...endpoint, key: `${index}`, podName: `other-${index}` }));
    const sharded = numberOf(ownersOf(make(factory({ key }), hashKeys), 500), hashKeys);
    expect(sharded).not.toEqual(before);
    expect(numberOf(ownersOf(make(factory({ key }), renamed), 500), renamed)).toEqual(sharded);
  });

  test("serves endpoints that share a name", () => {
    const shared = pods(4).map((endpoint, index) => ({ ...endpoint, podName: index < 2 ? "twin" : endpoint.podName }));
    const counts = countsOf(ownersOf(make(factory({ key }), shared as Endpoint[]), 8_000));
    expect(counts.size).toBe(4);
    for (const count of counts.values()) expect(Math.abs(count - 2_000)).toBeLessThan(400);
  });

  test("takes the key of an endpoint whose name is empty or none", () => {
    const endpointKey = (() => undefined) as HashOptions["endpointKey"] & {};
    const byKey = ({ key: own }: Endpoint) => own;
    const owners = ownersOf(make(factory({ key, endpointKey: byKey }), pods(5)), 200);
    expect(ownersOf(make(factory({ key, endpointKey }), pods(5)), 200)).toEqual(owners);
    expect(ownersOf(make(factory({ key, endpointKey: () => "" }), pods(5)), 200)).toEqual(owners);
  });

  test("goes on to the same endpoint whenever it is to avoid others, and to each in the end", () => {
    const endpoints = pods(6);
    const picker = make(factory({ key }), endpoints);
    const again = make(factory({ key }), shuffled(seededRandom(4), endpoints));
    for (let user = 0; user < 200; user++) {
      const avoid = new Set<string>();
      while (avoid.size < 6) {
        const next = pickFor(picker, `user-${user}`, avoid).endpoint.key;
        expect(avoid.has(next)).toBe(false);
        expect(pickFor(again, `user-${user}`, avoid).endpoint.key).toBe(next);
        avoid.add(next);
      }
      // all were tried: the one that the key belongs to
      expect(pickFor(picker, `user-${user}`, avoid)).toBe(pickFor(picker, `user-${user}`));
    }
  });

  test("goes where the key would belong without the endpoints that are to be avoided", () => {
    const endpoints = pods(6);
    const picker = make(factory({ key }), endpoints);
    const [, ...others] = candidatesOf(endpoints);
    const context = policyContext({ endpoints });
    const without = factory({ key })(undefined, others as unknown as typeof others & [never], context);
    for (let user = 0; user < 500; user++) {
      const retry = pickFor(picker, `user-${user}`, new Set(["pod-1"])).endpoint.key;
      expect(retry).toBe(pickFor(without, `user-${user}`).endpoint.key);
    }
  });

  test.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY])(
    "refuses a weight of %d with the endpoint's key",
    (weight) => {
      const refused = () => make(factory({ key }), [pod(1), { ...pod(2), weight }]);
      expect(refused).toThrow(RangeError);
      expect(refused).toThrow(`weight of pod-2: expected a finite number above 0, got ${weight}`);
    },
  );

  test("fails an RPC whose key throws, and only that", () => {
    const broken = new Error("no user");
    const policy = factory({
      key: ({ path }) => {
        if (path === "/broken") throw broken;
        return path;
      },
    });
    const picker = make(policy, pods(3));
    const result = picker.pick({ path: "/broken" });
    if (result.kind !== "drop") throw new Error(`expected the RPC to be dropped, got ${result.kind}`);
    expect(result.error).toBeInstanceOf(StatusError);
    expect(result.error).toMatchObject({ code: StatusCode.internal, cause: broken });
    expect(result.error.message).toBe("key: the function threw Error: no user");
    expect(picker.pick({ path: "/whole" }).kind).toBe("complete");
  });

  test("keeps a hot key where it is without a load factor", () => {
    const picker = make(factory({ key }), pods(5));
    const owner = pickFor(picker, "hot");
    for (let rpc = 0; rpc < 1_000; rpc++) {
      owner.inFlight++;
      expect(pickFor(picker, "hot")).toBe(owner);
    }
  });

  test.each([1.25, 2])("gives nobody more than its share times %d, and a key its own while there is room", (factor) => {
    const random = seededRandom(12);
    const endpoints = pods(10).map((endpoint, index) => ({ ...endpoint, weight: 1 + (index % 3) }));
    const weights = endpoints.reduce((sum, { weight }) => sum + weight, 0);
    const set = candidatesOf(endpoints);
    const context = policyContext({ endpoints });
    const bounded = factory({ key, loadFactor: factor });
    let picker = bounded(undefined, set, context);
    const free = make(factory({ key }), endpoints);
    const running: (typeof set)[0][] = [];
    let own = 0;
    for (let step = 0; step < 20_000; step++) {
      if (random() < 0.45 && running.length > 0) {
        const [ended] = running.splice(Math.floor(random() * running.length), 1) as [(typeof set)[0]];
        ended.inFlight--;
        picker.report?.(ended, outcome);
        continue;
      }
      const user = random() < 0.5 ? "hot" : `user-${Math.floor(random() * 1_000)}`;
      const picked = pickFor(picker, user);
      const bound = (factor * (running.length + 1) * picked.endpoint.weight) / weights;
      expect(picked.inFlight).toBeLessThan(Math.ceil(bound + 1e-9));
      if (picked.endpoint.key === pickFor(free, user).endpoint.key) own++;
      running.push(picked);
      picked.inFlight++;
      if (step % 1_000 === 0) picker = bounded(picker, set, context);
    }
    expect(own).toBeGreaterThan(2_000);
  });

  test("passes over what was tried also where loads are bounded, and serves it only where there is no other", () => {
    const endpoints = pods(3);
    const set = candidatesOf(endpoints);
    const picker = factory({ key, loadFactor: 1.25 })(undefined, set, policyContext({ endpoints }));
    set[0].inFlight = 10;
    set[1]!.inFlight = 10;
    for (let user = 0; user < 50; user++) {
      const served = pickFor(picker, `user-${user}`, new Set(["pod-3"]));
      expect(served).not.toBe(set[2]);
    }
  });

  test("shares keys by weight, whatever the weights are while endpoints warm up", () => {
    const endpoints = [1, 2, 3, 4].map((weight) => pod(weight, { weight }));
    const set = candidatesOf(endpoints);
    const policy = factory({ key });
    const owners = ownersOf(policy(undefined, set, policyContext({ endpoints })), 100_000);
    for (const [owner, count] of countsOf(owners)) {
      const expected = Number(owner.slice(4)) / 10;
      expect(Math.abs(count / 100_000 - expected)).toBeLessThan(0.1 * expected);
    }
    const warming = policyContext({ endpoints, weightOf: ({ endpoint }) => endpoint.weight * 0.1 });
    expect(ownersOf(policy(undefined, set, warming), 1_000)).toEqual(owners.slice(0, 1_000));
  });

  test.each([
    [undefined, TypeError, "expected an object of options, got undefined"],
    [{}, TypeError, "key: expected"],
    [{ key, replicas: 5 }, TypeError, "replicas: no option of"],
    [{ key, loadFactor: 1 }, RangeError, "loadFactor: expected a number from 1.05 to 100, got 1"],
    [{ key, loadFactor: "1.25" }, TypeError, "loadFactor: expected a number"],
    [{ key, endpointKey: "podName" }, TypeError, "endpointKey: expected a function, got podName"],
  ])("refuses %j", (options, type, message) => {
    const refused = () => factory(options as unknown as HashOptions);
    expect(refused).toThrow(type);
    expect(refused).toThrow(message);
  });
});
