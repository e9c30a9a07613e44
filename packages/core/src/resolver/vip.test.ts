import { FakeClock, seededRandom } from "@evenkeel/testing";
import { afterEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { keysOf, sample } from "../../test-helpers/endpoints.ts";
import { collect } from "../../test-helpers/events.ts";
import type { Endpoint } from "../endpoint/endpoint.ts";
import { StatusCode, StatusError } from "../errors.ts";
import type { Outcome } from "../outcome/outcome.ts";
import { parseTarget } from "../target/target.ts";
import type { HostAddress } from "./dns.ts";
import type { Resolver, ResolverUpdate } from "./resolver.ts";
import { type VipOptions, vip } from "./vip.ts";

const emitWarning = vi.spyOn(process, "emitWarning");
afterEach(() => void emitWarning.mockReset());

function answer(podName: string | undefined, code: StatusCode = StatusCode.ok): Outcome {
  return { code, fate: "answered", firstByteMs: 1, durationMs: 2, podName };
}

/** No response headers. */
const unanswered: Outcome = {
  ...{ code: StatusCode.unavailable, fate: "ambiguous", firstByteMs: undefined, durationMs: 2 },
};

function podNames(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `pod-${index + 1}`);
}

interface FixtureOptions extends VipOptions {
  readonly target?: string;
  readonly pods?: string[];
  readonly seed?: number;
}

/** A virtual address that gives each connection to a random pod, and whoever has one connection to each endpoint. */
class Fixture {
  readonly clock = new FakeClock();
  readonly random: () => number;
  /** Those that new connections are given to. */
  pods: string[];
  /** The pod behind each connection, by the endpoint's key. */
  readonly connections = new Map<string, string>();
  readonly updates: ResolverUpdate[] = [];
  endpoints: readonly Endpoint[] = [];
  dials = 0;
  /** How many endpoints there were at a time. */
  least = Number.POSITIVE_INFINITY;
  most = 0;
  readonly resolver: Resolver;

  constructor({ target = "http://10.96.0.10:80", pods = podNames(3), seed = 1, ...options }: FixtureOptions = {}) {
    this.pods = pods;
    this.random = seededRandom(seed);
    const context = { clock: this.clock, random: seededRandom(seed + 1_000) };
    this.resolver = vip(options)(parseTarget(target), (update) => this.#take(update), context);
    onTestFinished(() => this.resolver.close());
  }

  get keys(): string[] {
    return keysOf(this.endpoints);
  }

  /** The pods that connections reach. */
  get reached(): string[] {
    return [...new Set(this.connections.values())].sort();
  }

  /** The endpoint on this pod. */
  on(pod: string): Endpoint {
    const found = this.endpoints.find(({ key }) => this.connections.get(key) === pod);
    if (found === undefined) throw new Error(`no connection to ${pod}`);
    return found;
  }

  /** One RPC on each connection. */
  async rpcs(): Promise<void> {
    this.#reportEach();
    await this.clock.advance(0);
  }

  /** RPCs on each connection, every `stepMs`. */
  async traffic(ms: number, stepMs = 250): Promise<void> {
    for (let passed = 0; passed < ms; passed += stepMs) {
      this.#reportEach();
      this.clock.tick(stepMs);
    }
    await this.clock.advance(0);
  }

  /** The connections to `pod` end, and are dialled again. */
  lose(pod: string): void {
    for (const [key, name] of this.connections) {
      if (name !== pod) continue;
      this.connections.set(key, sample(this.random, this.pods));
      this.resolver.resolveNow();
    }
  }

  #reportEach(): void {
    for (const endpoint of this.endpoints) this.resolver.report?.(endpoint, answer(this.connections.get(endpoint.key)));
  }

  #take(update: ResolverUpdate): void {
    this.updates.push(update);
    if (update.kind === "error") return;
    this.endpoints = update.kind === "endpoints" ? update.endpoints : [];
    const { keys } = this;
    expect(new Set(keys).size).toBe(keys.length);
    this.least = Math.min(this.least, keys.length);
    this.most = Math.max(this.most, keys.length);
    for (const key of this.connections.keys()) if (!keys.includes(key)) this.connections.delete(key);
    for (const key of keys) {
      if (this.connections.has(key)) continue;
      this.dials++;
      this.connections.set(key, sample(this.random, this.pods));
    }
  }
}

describe("the endpoints of a virtual address", () => {
  test("are several with the same address, told at once", () => {
    const fixture = new Fixture({ connections: 3 });
    expect(fixture.keys).toEqual(["10.96.0.10:80#1", "10.96.0.10:80#2", "10.96.0.10:80#3"]);
    for (const { addresses } of fixture.endpoints) expect(addresses).toEqual([{ host: "10.96.0.10", port: 80 }]);
  });

  test("are four by default", () => {
    expect(new Fixture().endpoints).toHaveLength(4);
  });

  test("get the names of their pods, under the same keys and with the same addresses", async () => {
    const fixture = new Fixture({ connections: 2, pods: ["pod-1", "pod-2"], seed: 4 });
    const before = fixture.endpoints;
    expect(fixture.reached).toHaveLength(2);
    await fixture.rpcs();
    expect(fixture.endpoints).toEqual(
      before.map((endpoint) => ({ ...endpoint, podName: fixture.connections.get(endpoint.key) })),
    );
  });

  test("stay the same objects, and are not told again, while nothing is new", async () => {
    const fixture = new Fixture({ connections: 2, pods: ["pod-1", "pod-2"], seed: 4 });
    await fixture.rpcs();
    const { endpoints, updates } = fixture;
    const told = updates.length;
    await fixture.traffic(200_000);
    expect(updates).toHaveLength(told);
    expect(fixture.endpoints).toBe(endpoints);
  });

  test("are told in a turn of their own, once for all that was learnt", async () => {
    const fixture = new Fixture({ connections: 4, pods: podNames(50) });
    for (const endpoint of fixture.endpoints) {
      fixture.resolver.report?.(endpoint, answer(fixture.connections.get(endpoint.key)));
    }
    expect(fixture.updates).toHaveLength(1);
    await fixture.clock.advance(0);
    expect(fixture.updates).toHaveLength(2);
  });

  test("share the weight where they reach the same pod", async () => {
    const fixture = new Fixture({ connections: 3, pods: ["pod-1"] });
    await fixture.rpcs();
    expect(fixture.endpoints.map(({ weight }) => weight)).toEqual([1 / 3, 1 / 3, 1 / 3]);
  });
});

describe("connections to the same pod", () => {
  test("are replaced, each once its successor has been answered", async () => {
    const fixture = new Fixture({ connections: 2, pods: ["pod-1"] });
    await fixture.rpcs();
    fixture.pods = ["pod-2"];
    await fixture.traffic(1_500);
    expect(fixture.reached).toEqual(["pod-1", "pod-2"]);
    expect(fixture.dials).toBe(3);
    expect(fixture.keys).toContain("10.96.0.10:80#3");
    const sets = fixture.updates.map((update) => (update.kind === "endpoints" ? update.endpoints.length : 0));
    expect(sets).toEqual([2, 2, 3, 2]);
  });

  test("stay until their successor has been answered", async () => {
    const fixture = new Fixture({ connections: 2, pods: ["pod-1"] });
    await fixture.rpcs();
    await fixture.clock.advance(1_200);
    await fixture.rpcs();
    const [first, second, trial] = fixture.endpoints as [Endpoint, Endpoint, Endpoint];
    for (let rpc = 0; rpc < 1_000; rpc++) {
      await fixture.clock.advance(10);
      fixture.resolver.report?.(first, answer("pod-1"));
      fixture.resolver.report?.(trial, unanswered);
      fixture.resolver.report?.(second, answer("pod-1"));
    }
    expect(fixture.endpoints).toHaveLength(3);
    expect(fixture.dials).toBe(3);
    fixture.resolver.report?.(trial, answer("pod-2"));
    await fixture.clock.advance(0);
    expect(fixture.endpoints.map(({ podName }) => podName)).toEqual(["pod-1", "pod-2"]);
  });

  test("are looked at less and less often where there is no other pod", async () => {
    const fixture = new Fixture({ connections: 4, pods: ["pod-1"], maxConnectionAgeMs: Number.POSITIVE_INFINITY });
    await fixture.traffic(60_000);
    const soon = fixture.dials - 4;
    expect(soon).toBeGreaterThanOrEqual(8); // twice the connections, about one a second
    expect(soon).toBeLessThanOrEqual(18);
    await fixture.traffic(300_000);
    const before = fixture.dials;
    await fixture.traffic(3_600_000);
    expect(fixture.dials - before).toBeGreaterThan(50);
    expect(fixture.dials - before).toBeLessThan(80);
  });

  test("are looked for again at once when a connection was lost, and its successor reached a pod that has one", async () => {
    const fixture = new Fixture({ connections: 2, pods: ["pod-1", "pod-2"], seed: 4 });
    await fixture.traffic(10_000);
    expect(fixture.reached).toEqual(["pod-1", "pod-2"]);
    const { dials } = fixture;
    fixture.pods = ["pod-1"];
    fixture.lose("pod-2");
    fixture.pods = ["pod-1", "pod-3"];
    expect(fixture.reached).toEqual(["pod-1"]);
    await fixture.traffic(30_000);
    expect(fixture.reached).toEqual(["pod-1", "pod-3"]);
    expect(fixture.dials - dials).toBeLessThan(10);
    expect(fixture.keys).toContain("10.96.0.10:80#1");
  });

  test("are looked for soon after a loss, however long the search has been slow", async () => {
    const fixture = new Fixture({ connections: 2, pods: ["pod-1"], maxConnectionAgeMs: Number.POSITIVE_INFINITY });
    await fixture.traffic(1_000_000);
    const { dials } = fixture;
    while (fixture.dials === dials) await fixture.traffic(250);
    await fixture.traffic(1_000); // the next look is most of a minute away
    fixture.pods = ["pod-2"];
    fixture.lose("pod-1");
    fixture.pods = ["pod-3"];
    await fixture.traffic(2_000);
    expect(fixture.reached).toEqual(["pod-2", "pod-3"]);
  });

  test("are not hurried by a successor that is answered late", async () => {
    const fixture = new Fixture({ connections: 2, pods: ["pod-1"], maxConnectionAgeMs: Number.POSITIVE_INFINITY });
    await fixture.traffic(3_600_000, 20_000);
    expect(fixture.dials).toBeLessThan(2 + 3_600 / 40 + 20);
  });
});

test.each(Array.from({ length: 60 }, (_, seed) => [seed] as const))(
  "reaches every pod with as many connections, whatever the dice say (seed %d)",
  async (seed) => {
    const random = seededRandom(seed + 77);
    const count = 1 + Math.floor(random() * 6);
    const connections = count + Math.floor(random() * 3);
    const fixture = new Fixture({ connections, pods: podNames(count), seed });
    let reachedAfter = -1;
    for (let second = 0; second < 600 && reachedAfter < 0; second++) {
      await fixture.traffic(1_000);
      if (fixture.reached.length === count) reachedAfter = fixture.dials - connections;
    }
    expect(fixture.reached).toHaveLength(count);
    expect(reachedAfter).toBeLessThan(8 * count + 8);
    // and what is reached stays reached, also as connections are replaced
    let missing = 0;
    for (let second = 0; second < 900; second++) {
      await fixture.traffic(1_000);
      missing += count - fixture.reached.length;
    }
    expect(missing).toBeLessThan(0.05 * count * 900);
    expect(fixture.least).toBe(connections);
    expect(fixture.most).toBeLessThanOrEqual(connections + 1);
  },
);

describe("the age of connections", () => {
  test("replaces each within its time, and a burst", async () => {
    const fixture = new Fixture({ connections: 4, pods: podNames(4), maxConnectionAgeMs: 100_000 });
    await fixture.traffic(60_000);
    const before = fixture.keys;
    await fixture.traffic(100_000);
    expect(fixture.keys.filter((key) => before.includes(key))).toEqual([]);
    expect(fixture.reached).toHaveLength(4);
  });

  test("moves to other pods where there are more than connections", async () => {
    const fixture = new Fixture({ connections: 2, pods: podNames(20), maxConnectionAgeMs: 10_000 });
    const seen = new Set<string>();
    for (let step = 0; step < 100; step++) {
      await fixture.traffic(5_000);
      for (const pod of fixture.reached) seen.add(pod);
    }
    expect(seen.size).toBe(20);
    expect(fixture.dials).toBeLessThan(2 * 50 * 2);
  });

  test("finds pods that came, with as many connections as pods", async () => {
    const fixture = new Fixture({ connections: 4, pods: podNames(3), maxConnectionAgeMs: 60_000 });
    await fixture.traffic(120_000);
    fixture.pods = podNames(4);
    await fixture.traffic(300_000);
    expect(fixture.reached).toEqual(podNames(4));
  });

  test("leaves pods that take no new connections any more, though their connections live", async () => {
    const fixture = new Fixture({ connections: 3, pods: podNames(3), maxConnectionAgeMs: 60_000 });
    await fixture.traffic(30_000);
    expect(fixture.reached).toEqual(podNames(3));
    fixture.pods = ["pod-1", "pod-2"];
    await fixture.traffic(90_000);
    expect(fixture.reached).toEqual(["pod-1", "pod-2"]);
  });

  test("differs from one to the other, so that they are not all replaced at once", async () => {
    const fixture = new Fixture({ connections: 50, pods: podNames(5_000), maxConnectionAgeMs: 100_000 });
    const replaced = new Map<number, number>();
    let { dials } = fixture;
    for (let at = 0; at < 150_000; at += 10_000) {
      await fixture.traffic(10_000, 500);
      replaced.set(at, fixture.dials - dials);
      dials = fixture.dials;
    }
    const between = (from: number, to: number): number =>
      [...replaced].reduce((sum, [at, count]) => sum + (at >= from && at < to ? count : 0), 0);
    expect(between(0, 90_000)).toBeLessThanOrEqual(1); // but for what shares a pod
    expect(between(90_000, 100_000)).toBeLessThan(15); // not more than one a second
    expect(between(90_000, 150_000)).toBeGreaterThanOrEqual(40);
  });

  test("does not wait for a search that has become slow, nor hurry it", async () => {
    const fixture = new Fixture({ connections: 8, pods: ["pod-1"], maxConnectionAgeMs: 100_000 });
    const since = new Map<string, number>();
    let oldest = 0;
    for (let step = 0; step < 1_800; step++) {
      await fixture.traffic(2_000, 500);
      const now = fixture.clock.now();
      for (const key of since.keys()) if (!fixture.keys.includes(key)) since.delete(key);
      for (const key of fixture.keys) since.set(key, since.get(key) ?? now);
      oldest = Math.max(oldest, now - Math.min(...since.values()));
    }
    expect(oldest).toBeLessThan(125_000);
    expect(fixture.dials).toBeLessThan(8 + 36 * 8 * 1.5 + 60 + 30);
  });

  test("begins anew when the connection is lost and the next one reaches another pod", async () => {
    const fixture = new Fixture({ connections: 1, pods: ["pod-1"], maxConnectionAgeMs: 100_000 });
    await fixture.traffic(80_000);
    fixture.pods = ["pod-2"];
    fixture.lose("pod-1");
    await fixture.traffic(85_000);
    expect(fixture.keys).toEqual(["10.96.0.10:80#1"]);
    await fixture.traffic(35_000);
    expect(fixture.keys).toEqual(["10.96.0.10:80#2"]);
  });

  test("may be unlimited", async () => {
    const fixture = new Fixture({ connections: 2, pods: podNames(2), maxConnectionAgeMs: Number.POSITIVE_INFINITY });
    await fixture.traffic(20_000);
    const { keys } = fixture;
    await fixture.traffic(3_600_000, 1_000);
    expect(fixture.keys).toEqual(keys);
  });
});

describe("without RPCs", () => {
  test("nothing is dialled, and no timer runs", async () => {
    const fixture = new Fixture({ pods: ["pod-1"] });
    expect(fixture.clock.pending).toBe(0);
    await fixture.rpcs();
    await fixture.clock.advance(86_400_000);
    expect(fixture.dials).toBe(4);
    expect(fixture.clock.pending).toBe(0);
  });

  test("that are answered nothing is dialled either", async () => {
    const fixture = new Fixture({ pods: ["pod-1"], maxConnectionAgeMs: 1_000 });
    for (let step = 0; step < 1_000; step++) {
      for (const endpoint of fixture.endpoints) fixture.resolver.report?.(endpoint, unanswered);
      await fixture.clock.advance(100);
    }
    expect(fixture.dials).toBe(4);
  });
});

describe("a new connection that no RPC uses", () => {
  test("is given up when the others have had many, and does not stand in the way", async () => {
    const fixture = new Fixture({ connections: 2, pods: ["pod-1"] });
    await fixture.rpcs();
    await fixture.clock.advance(1_200);
    await fixture.rpcs();
    const trial = fixture.keys.at(-1);
    const others = fixture.endpoints.slice(0, 2);
    for (let step = 0; step < 61; step++) {
      for (const endpoint of others) fixture.resolver.report?.(endpoint, answer("pod-1"));
      await fixture.clock.advance(1_000);
    }
    expect(fixture.keys).not.toContain(trial);
    expect(fixture.keys.slice(0, 2)).toEqual(keysOf(others));
    expect(fixture.dials).toBe(4); // and another takes its turn
  });

  test("stays while there are few RPCs at all", async () => {
    const fixture = new Fixture({ connections: 2, pods: ["pod-1"] });
    await fixture.rpcs();
    await fixture.clock.advance(1_200);
    await fixture.rpcs();
    const { keys } = fixture;
    const told = fixture.updates.length;
    const [first] = fixture.endpoints as [Endpoint];
    for (let hour = 0; hour < 15; hour++) {
      fixture.resolver.report?.(first, answer("pod-1"));
      await fixture.clock.advance(3_600_000);
    }
    expect(fixture.keys).toEqual(keys);
    expect(fixture.updates).toHaveLength(told);
  });
});

describe("reports", () => {
  test("of a former connection of the same endpoint count no more, once its successor has been answered", async () => {
    const fixture = new Fixture({ connections: 1, pods: ["pod-1"] });
    await fixture.rpcs();
    const former = fixture.on("pod-1");
    fixture.pods = ["pod-2"];
    fixture.lose("pod-1");
    await fixture.rpcs();
    for (let rpc = 0; rpc < 10; rpc++) {
      fixture.resolver.report?.(former, answer("pod-1"));
      await fixture.rpcs();
    }
    expect(fixture.endpoints.map(({ key, podName }) => [key, podName])).toEqual([["10.96.0.10:80#1", "pod-2"]]);
  });

  test("of endpoints that were replaced, or are another's, do nothing", async () => {
    const fixture = new Fixture({ connections: 2, pods: ["pod-1"] });
    await fixture.rpcs();
    const [first, second] = fixture.endpoints as [Endpoint, Endpoint];
    fixture.pods = ["pod-2"];
    await fixture.traffic(2_000);
    expect(fixture.endpoints).toHaveLength(2);
    const told = fixture.updates.length;
    for (const endpoint of [first, second, { ...first, key: "10.0.0.1:80" }]) {
      fixture.resolver.report?.(endpoint, answer("pod-9"));
      await fixture.clock.advance(0);
    }
    expect(fixture.updates).toHaveLength(told);
  });

  test("of failures that a pod answered name the pod too", async () => {
    const fixture = new Fixture({ connections: 1 });
    fixture.resolver.report?.(fixture.endpoints[0] as Endpoint, answer("pod-7", StatusCode.internal));
    await fixture.clock.advance(0);
    expect(fixture.endpoints[0]?.podName).toBe("pod-7");
  });
});

test.each([
  ["", "nothing"],
  ["pod-1, pod-2", "several"],
  ["\x1b[2Jpod-1", "control characters"],
  ["p".repeat(254), "more than any name has"],
])("%j (%s) is no name of a pod", async (name) => {
  const fixture = new Fixture({ connections: 2 });
  const [first, second] = fixture.endpoints as [Endpoint, Endpoint];
  for (const endpoint of [first, second]) fixture.resolver.report?.(endpoint, answer(name));
  await fixture.clock.advance(0);
  expect(fixture.endpoints).toEqual([first, second]);
  fixture.resolver.report?.(first, answer("p".repeat(253)));
  await fixture.clock.advance(0);
  expect(fixture.endpoints[0]?.podName).toBe("p".repeat(253));
});

/** Each host is warned of once in a process. */
let hosts = 0;
const lookup = async (): Promise<HostAddress[]> => [{ address: "10.96.0.10", family: 4 }];
const newHost = (): string => `http://orders-${++hosts}.shop.svc:80`;

describe("pods that do not name themselves", () => {
  test("are warned of once, after twenty good answers", async () => {
    emitWarning.mockReturnValue();
    const warnings = collect("warning");
    const target = newHost();
    const fixture = new Fixture({ target, lookup, connections: 2 });
    await fixture.clock.advance(0);
    const [first, second] = fixture.endpoints as [Endpoint, Endpoint];
    for (let rpc = 0; rpc < 20; rpc++) {
      fixture.resolver.report?.(first, answer(undefined, StatusCode.unimplemented));
      fixture.resolver.report?.(rpc % 2 === 0 ? first : second, answer(undefined));
    }
    expect(warnings).toEqual([]);
    for (let rpc = 0; rpc < 100; rpc++) fixture.resolver.report?.(first, answer(undefined));
    const message = expect.stringContaining("podIdentity()");
    expect(warnings).toEqual([{ target, message }]);
    expect(emitWarning.mock.calls).toEqual([[message, { type: "EvenkeelWarning", code: "EVENKEEL_POD_IDENTITY" }]]);
  });

  test("are not warned of where some do, as after an update that is under way", async () => {
    emitWarning.mockReturnValue();
    const fixture = new Fixture({ target: newHost(), lookup, connections: 2 });
    await fixture.clock.advance(0);
    const [first, second] = fixture.endpoints as [Endpoint, Endpoint];
    fixture.resolver.report?.(second, answer("pod-1"));
    for (let rpc = 0; rpc < 100; rpc++) fixture.resolver.report?.(first, answer(undefined));
    expect(emitWarning).not.toHaveBeenCalled();
  });

  test("have their connections replaced by age all the same", async () => {
    emitWarning.mockReturnValue();
    const fixture = new Fixture({ connections: 3, maxConnectionAgeMs: 10_000 });
    const rpcs = async (): Promise<void> => {
      for (const endpoint of fixture.endpoints) fixture.resolver.report?.(endpoint, answer(undefined));
      await fixture.clock.advance(100);
    };
    for (let step = 0; step < 85; step++) await rpcs();
    expect(fixture.dials).toBe(3);
    for (let step = 0; step < 65; step++) await rpcs();
    expect(fixture.dials).toBe(6);
    expect(fixture.keys).toEqual(["10.96.0.10:80#4", "10.96.0.10:80#5", "10.96.0.10:80#6"]);
    expect([fixture.least, fixture.most]).toEqual([3, 4]);
  });
});

describe("an address that balances requests by itself", () => {
  test("is warned of, and not searched for pods", async () => {
    emitWarning.mockReturnValue();
    const target = newHost();
    const fixture = new Fixture({ target, lookup, connections: 2, maxConnectionAgeMs: Number.POSITIVE_INFINITY });
    await fixture.clock.advance(0);
    const random = seededRandom(3);
    for (let rpc = 0; rpc < 10_000; rpc++) {
      const endpoint = sample(random, fixture.endpoints);
      fixture.resolver.report?.(endpoint, answer(sample(random, podNames(5))));
      await fixture.clock.advance(50);
    }
    expect(emitWarning.mock.calls).toEqual([
      [expect.stringContaining("several pods"), { type: "EvenkeelWarning", code: "EVENKEEL_MIXED_PODS" }],
    ]);
    expect(fixture.updates.length).toBeLessThan(30);
    expect(fixture.dials).toBeLessThanOrEqual(4);
    for (const { podName, weight } of fixture.endpoints) expect([podName, weight]).toEqual([undefined, 1]);
  });

  test("is not taken for a connection that finishes its RPCs while its successor has some", async () => {
    const fixture = new Fixture({ connections: 1, pods: ["pod-1"] });
    await fixture.rpcs();
    const former = fixture.on("pod-1");
    fixture.resolver.resolveNow();
    for (let rpc = 0; rpc < 10; rpc++) {
      for (const pod of ["pod-2", "pod-1"]) fixture.resolver.report?.(former, answer(pod));
    }
    fixture.resolver.report?.(former, answer("pod-1"));
    await fixture.clock.advance(0);
    expect(fixture.endpoints.map(({ podName }) => podName)).toEqual(["pod-2"]);
    expect(emitWarning).not.toHaveBeenCalled();
  });

  test("is not taken for one whose connections are lost again and again", async () => {
    const fixture = new Fixture({ connections: 2, pods: podNames(30) });
    for (let loss = 0; loss < 50; loss++) {
      await fixture.traffic(500);
      fixture.lose(sample(fixture.random, fixture.reached));
    }
    expect(emitWarning).not.toHaveBeenCalled();
  });
});

describe("the name of a virtual address", () => {
  test("is looked up, without a warning that it has a single address", async () => {
    const fixture = new Fixture({ target: newHost(), lookup, connections: 2 });
    expect(fixture.updates).toEqual([]);
    await fixture.clock.advance(0);
    expect(fixture.keys).toEqual(["10.96.0.10:80#1", "10.96.0.10:80#2"]);
    expect(emitWarning).not.toHaveBeenCalled();
  });

  test("may have an address of each family: endpoints have both", async () => {
    const both = async (): Promise<HostAddress[]> => [...(await lookup()), { address: "fd00::1", family: 6 }];
    const fixture = new Fixture({ target: newHost(), lookup: both, connections: 2 });
    await fixture.clock.advance(0);
    for (const { addresses } of fixture.endpoints) {
      expect(addresses.map(({ host }) => host)).toEqual(["10.96.0.10", "fd00::1"]);
    }
  });

  test("is looked up anew, and its connections stay while it has the same address", async () => {
    const fixture = new Fixture({ target: newHost(), lookup, refreshMs: 1_000, connections: 2, pods: podNames(50) });
    await fixture.clock.advance(0);
    await fixture.rpcs();
    const { endpoints } = fixture;
    await fixture.clock.advance(10_000);
    expect(fixture.updates.length).toBeGreaterThan(8);
    expect(fixture.endpoints).toEqual(endpoints);
    for (const [index, endpoint] of fixture.endpoints.entries()) expect(endpoint).toBe(endpoints[index]);
  });

  test("moves all connections when it gets another address", async () => {
    let address = "10.96.0.10";
    const moving = async (): Promise<HostAddress[]> => [{ address, family: 4 }];
    const fixture = new Fixture({ target: newHost(), lookup: moving, refreshMs: 1_000, connections: 2 });
    await fixture.traffic(500);
    address = "10.96.0.77";
    await fixture.traffic(1_000);
    expect(new Set(fixture.endpoints.map(({ addresses: [{ host }] }) => host))).toEqual(new Set(["10.96.0.77"]));
    expect(fixture.most).toBeLessThanOrEqual(3);
  });

  test("with several addresses spreads the connections over them, also as they are replaced", async () => {
    const several = async (): Promise<HostAddress[]> =>
      ["10.96.0.1", "10.96.0.2", "10.96.0.3"].map((address) => ({ address, family: 4 }));
    const fixture = new Fixture({
      ...{ target: newHost(), lookup: several, connections: 6, pods: podNames(100), maxConnectionAgeMs: 5_000 },
    });
    for (let step = 0; step < 20; step++) {
      await fixture.traffic(5_000);
      const counts = new Map<string, number>();
      for (const { addresses } of fixture.endpoints) {
        counts.set(addresses[0].host, (counts.get(addresses[0].host) ?? 0) + 1);
      }
      expect(counts.size).toBe(3);
      for (const count of counts.values()) expect(count).toBeLessThanOrEqual(3);
    }
  });

  test("that cannot be looked up is told as an error, and the connections stay", async () => {
    let fails = false;
    const flaky = async (): Promise<HostAddress[]> => {
      if (fails) throw new Error("SERVFAIL");
      return lookup();
    };
    const fixture = new Fixture({ target: newHost(), lookup: flaky, refreshMs: 1_000, connections: 2 });
    await fixture.clock.advance(0);
    fails = true;
    await fixture.clock.advance(1_500);
    expect(fixture.updates.at(-1)).toEqual({ kind: "error", error: expect.any(StatusError) });
    expect(fixture.keys).toEqual(["10.96.0.10:80#1", "10.96.0.10:80#2"]);
  });
});

describe("a closed resolver", () => {
  test("tells nothing more, and leaves no timer", async () => {
    const fixture = new Fixture({ target: newHost(), lookup, connections: 2 });
    await fixture.clock.advance(0);
    const [first, second] = fixture.endpoints as [Endpoint, Endpoint];
    fixture.resolver.report?.(first, answer("pod-1"));
    expect(fixture.clock.pending).toBe(2);
    fixture.resolver.close();
    expect(fixture.clock.pending).toBe(0);
    fixture.resolver.report?.(second, answer("pod-1"));
    fixture.resolver.resolveNow();
    await fixture.clock.advance(600_000);
    expect(fixture.updates).toHaveLength(1);
  });

  test("takes no reports", async () => {
    const fixture = new Fixture({ connections: 2, pods: ["pod-1"] });
    fixture.resolver.close();
    await fixture.rpcs();
    expect(fixture.clock.pending).toBe(0);
    expect(fixture.updates).toHaveLength(1);
  });

  test("may be closed in the middle of its update", async () => {
    const clock = new FakeClock();
    const sets: (readonly Endpoint[])[] = [];
    const resolver: Resolver = vip({ connections: 1 })(
      parseTarget("http://10.96.0.10"),
      (update) => {
        if (update.kind === "endpoints" && sets.push(update.endpoints) === 2) resolver.close();
      },
      { clock, random: seededRandom(1) },
    );
    resolver.report?.(sets[0]?.[0] as Endpoint, answer("pod-1"));
    await clock.advance(0);
    expect(sets).toHaveLength(2);
    resolver.report?.(sets[1]?.[0] as Endpoint, answer("pod-2"));
    await clock.advance(600_000);
    expect(sets).toHaveLength(2);
    expect(clock.pending).toBe(0);
  });
});

describe("the options of vip()", () => {
  test.each([
    [{ connections: 0 }, RangeError, "connections"],
    [{ connections: 257 }, RangeError, "connections"],
    [{ connections: 2.5 }, RangeError, "connections"],
    [{ connections: "4" }, TypeError, "connections"],
    [{ maxConnectionAgeMs: 0 }, RangeError, "maxConnectionAgeMs"],
    [{ maxConnectionAgeMs: Number.NaN }, TypeError, "maxConnectionAgeMs"],
    [{ maxConnectionAge: 5 }, TypeError, "maxConnectionAge"],
    [{ srv: "_grpc._tcp" }, TypeError, "srv"],
    [{ refreshMs: 0 }, RangeError, "vip: refreshMs"],
    [{ lookup: "10.96.0.10" }, TypeError, "lookup"],
    [{ lookup, servers: ["127.0.0.1"] }, TypeError, "vip: expected either lookup or servers"],
    [null, TypeError, "vip"],
  ])("refuse %j", (options, type, name) => {
    const make = (): unknown => vip(options as VipOptions);
    expect(make).toThrow(type);
    expect(make).toThrow(name);
  });
});
