import { promises as nodeDns } from "node:dns";
import { FakeClock, seededRandom } from "@evenkeel/testing";
import { afterEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { keysOf } from "../../test-helpers/endpoints.ts";
import { callOn, collect } from "../../test-helpers/events.ts";
import { StatusCode, StatusError } from "../errors.ts";
import type { Random } from "../random.ts";
import { parseTarget } from "../target/target.ts";
import { type DnsOptions, dns, type HostAddress } from "./dns.ts";
import type { Resolver, ResolverUpdate } from "./resolver.ts";

/** `10.0.0.1` to `10.0.0.<count>`. */
function v4(count: number): HostAddress[] {
  return Array.from({ length: count }, (_, index) => ({ address: `10.0.0.${index + 1}`, family: 4 }));
}

function v6(...addresses: string[]): HostAddress[] {
  return addresses.map((address) => ({ address, family: 6 }));
}

interface FixtureOptions extends DnsOptions {
  readonly target?: string;
  readonly answer?: readonly HostAddress[] | Error;
  readonly random?: Random;
}

class Fixture {
  readonly clock = new FakeClock();
  readonly updates: ResolverUpdate[] = [];
  /** When look-ups began. */
  readonly lookups: number[] = [];
  /** What look-ups find; an `Error` is thrown. */
  answer: readonly HostAddress[] | Error;
  onUpdate: (update: ResolverUpdate) => void = () => {};
  readonly resolver: Resolver;

  constructor({
    target = "http://orders:8080",
    answer = v4(2),
    random = (): number => 0.5,
    ...options
  }: FixtureOptions = {}) {
    this.answer = answer;
    const lookup = async (): Promise<readonly HostAddress[]> => {
      this.lookups.push(this.clock.now());
      if (this.answer instanceof Error) throw this.answer;
      return this.answer;
    };
    const factory = dns({ lookup, ...options });
    this.resolver = factory(
      parseTarget(target),
      (update) => {
        this.updates.push(update);
        this.onUpdate(update);
      },
      { clock: this.clock, random },
    );
    onTestFinished(() => this.resolver.close());
  }

  /** The last update in short: the keys of a set, or the text of an error. */
  get last(): string | undefined {
    const update = this.updates.at(-1);
    return update?.kind === "endpoints" ? keysOf(update.endpoints).join(" ") : update?.error.message;
  }
}

describe("the DNS resolver", () => {
  test("makes an endpoint of every address of the host, on the target's port", async () => {
    const fixture = new Fixture();
    await fixture.clock.advance(0);
    expect(fixture.updates).toEqual([
      {
        kind: "endpoints",
        endpoints: [
          expect.objectContaining({ key: "10.0.0.1:8080", addresses: [{ host: "10.0.0.1", port: 8080 }] }),
          expect.objectContaining({ key: "10.0.0.2:8080", addresses: [{ host: "10.0.0.2", port: 8080 }] }),
        ],
      },
    ]);
  });

  test("asks for the target's host", async () => {
    const lookup = vi.fn(async () => v4(1));
    const fixture = new Fixture({ target: "https://orders.example", lookup });
    await fixture.clock.advance(0);
    expect(lookup.mock.calls).toEqual([["orders.example"]]);
    expect(fixture.last).toBe("10.0.0.1:443");
  });

  test("looks nothing up for an address", async () => {
    for (const [target, key] of [
      ["http://127.0.0.9:8080", "127.0.0.9:8080"],
      ["http://[::1]:8080", "[::1]:8080"],
    ] as const) {
      const fixture = new Fixture({ target });
      expect(fixture.last).toBe(key);
      fixture.resolver.resolveNow();
      await fixture.clock.advance(120_000);
      expect(fixture.lookups).toEqual([]);
      expect(fixture.updates).toHaveLength(1);
      expect(fixture.clock.pending).toBe(0);
    }
  });

  test("uses node's look-up, and all that it finds, unless another is given", async () => {
    const spy = vi.spyOn(nodeDns, "lookup").mockImplementation((async () => v4(3)) as unknown as typeof nodeDns.lookup);
    onTestFinished(() => spy.mockRestore());
    const updates: ResolverUpdate[] = [];
    const clock = new FakeClock();
    const context = { clock, random: seededRandom(1) };
    const resolver = dns()(parseTarget("http://orders:80"), (update) => updates.push(update), context);
    await clock.advance(0);
    resolver.close();
    expect(spy.mock.calls).toEqual([["orders", { all: true }]]);
    expect(updates[0]).toMatchObject({ kind: "endpoints", endpoints: { length: 3 } });
  });

  test("looks again every 30 s, ±10 %, also while nothing changes", async () => {
    const fixture = new Fixture({ random: seededRandom(3) });
    await fixture.clock.advance(3_600_000);
    const waits = fixture.lookups.slice(1).map((at, index) => at - (fixture.lookups[index] ?? 0));
    expect(waits.length).toBeGreaterThan(100);
    for (const wait of waits) {
      expect(wait).toBeGreaterThanOrEqual(27_000);
      expect(wait).toBeLessThan(33_000);
    }
    expect(Math.min(...waits)).toBeLessThan(27_500);
    expect(Math.max(...waits)).toBeGreaterThan(32_500);
    expect(fixture.updates).toHaveLength(fixture.lookups.length);
  });

  test("looks again as often as it is told", async () => {
    const fixture = new Fixture({ refreshMs: 100 });
    await fixture.clock.advance(1_000);
    expect(fixture.lookups).toHaveLength(11);
  });

  test("does not keep the process alive between look-ups", async () => {
    const fixture = new Fixture();
    await fixture.clock.advance(0);
    expect(fixture.clock.pending).toBe(1);
    expect(fixture.clock.pendingRef).toBe(0);
  });
});

describe("a hint that the set changed", () => {
  test("brings a look-up at once when the last one began 5 s ago or longer", async () => {
    const fixture = new Fixture();
    await fixture.clock.advance(10_000);
    fixture.resolver.resolveNow();
    await fixture.clock.advance(0);
    expect(fixture.lookups).toEqual([0, 10_000]);
  });

  test("brings look-ups every 5 s for a minute, then every 30 s again", async () => {
    const fixture = new Fixture();
    await fixture.clock.advance(1_000);
    fixture.resolver.resolveNow();
    await fixture.clock.advance(120_000);
    const seconds = fixture.lookups.map((at) => at / 1_000);
    expect(seconds).toEqual([0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 95]);
  });

  test("brings no storm, however many hints there are", async () => {
    const fixture = new Fixture();
    for (let step = 0; step < 6_000; step++) {
      fixture.resolver.resolveNow();
      await fixture.clock.advance(10);
    }
    expect(fixture.lookups).toHaveLength(13);
  });

  test("counts while a look-up is under way", async () => {
    let answer: (found: readonly HostAddress[]) => void = () => {};
    let started = 0;
    const fixture = new Fixture({
      lookup: () => {
        started++;
        return new Promise((resolve) => {
          answer = resolve;
        });
      },
    });
    await fixture.clock.advance(2_000);
    fixture.resolver.resolveNow();
    await fixture.clock.advance(1_000);
    expect(started).toBe(1);
    answer(v4(1));
    await fixture.clock.advance(1_999);
    expect(started).toBe(1);
    await fixture.clock.advance(1);
    expect(started).toBe(2);
  });

  test("starts no second look-up beside one that takes long", async () => {
    let started = 0;
    const fixture = new Fixture({
      lookup: () => {
        started++;
        return new Promise(() => {});
      },
    });
    for (let step = 0; step < 20; step++) {
      fixture.resolver.resolveNow();
      await fixture.clock.advance(6_000);
    }
    expect(started).toBe(1);
  });

  test("may come in the middle of an update", async () => {
    const fixture = new Fixture();
    fixture.onUpdate = () => fixture.resolver.resolveNow();
    await fixture.clock.advance(12_000);
    expect(fixture.lookups).toEqual([0, 5_000, 10_000]);
  });

  test("does not slow down a resolver that looks more often by itself", async () => {
    const fixture = new Fixture({ refreshMs: 1_000 });
    fixture.resolver.resolveNow();
    await fixture.clock.advance(3_000);
    expect(fixture.lookups).toEqual([0, 1_000, 2_000, 3_000]);
  });
});

describe("a DNS look-up that fails", () => {
  test("is told as an error that names the host and the reason, and keeps what was thrown", async () => {
    const cause = new Error("getaddrinfo ENOTFOUND orders");
    const fixture = new Fixture({ answer: cause });
    await fixture.clock.advance(0);
    expect(fixture.updates).toHaveLength(1);
    const [update] = fixture.updates;
    expect(update?.kind).toBe("error");
    const error = update?.kind === "error" ? update.error : undefined;
    expect(error).toBeInstanceOf(StatusError);
    expect(error).toMatchObject({
      code: StatusCode.unavailable,
      message: "DNS look-up of orders failed: getaddrinfo ENOTFOUND orders",
      cause,
    });
  });

  test("is an error also when the answer is empty, so that the last good set stays", async () => {
    const fixture = new Fixture();
    await fixture.clock.advance(0);
    fixture.answer = [];
    await fixture.clock.advance(30_000);
    expect(fixture.updates.map(({ kind }) => kind)).toEqual(["endpoints", "error"]);
    expect(fixture.last).toBe("DNS look-up of orders failed: orders has no address");
  });

  test("is tried again with the backoff of connections, and every 30 s again once it succeeds", async () => {
    const fixture = new Fixture({ answer: new Error("SERVFAIL") });
    await fixture.clock.advance(30_000);
    const waits = fixture.lookups.slice(1).map((at, index) => Math.round(at - (fixture.lookups[index] ?? 0)));
    expect(waits).toEqual([1_000, 1_600, 2_560, 4_096, 6_554, 10_000]);
    fixture.answer = v4(1);
    await fixture.clock.advance(10_000);
    expect(fixture.last).toBe("10.0.0.1:8080");
    const count = fixture.lookups.length;
    await fixture.clock.advance(60_000);
    expect(fixture.lookups.length - count).toBe(2);
  });

  test("is tried again no later than a success would be", async () => {
    const fixture = new Fixture({ refreshMs: 500, answer: new Error("SERVFAIL") });
    await fixture.clock.advance(5_000);
    expect(fixture.lookups).toHaveLength(11);
  });

  test("is not tried more often for a hint", async () => {
    const fixture = new Fixture({ answer: new Error("SERVFAIL") });
    await fixture.clock.advance(30_000);
    const count = fixture.lookups.length;
    for (let step = 0; step < 100; step++) {
      fixture.resolver.resolveNow();
      await fixture.clock.advance(100);
    }
    expect(fixture.lookups.length - count).toBeLessThanOrEqual(1);
  });

  test("may be a look-up that throws at once, or something that is no error", async () => {
    const fixture = new Fixture({
      lookup: () => {
        throw "not configured";
      },
    });
    await fixture.clock.advance(0);
    expect(fixture.last).toBe("DNS look-up of orders failed: not configured");
  });

  test("is not what a listener throws", async () => {
    const unhandled: unknown[] = [];
    const before = process.listeners("unhandledRejection");
    process.removeAllListeners("unhandledRejection");
    process.on("unhandledRejection", (reason) => unhandled.push(reason));
    onTestFinished(() => {
      process.removeAllListeners("unhandledRejection");
      for (const listener of before) process.on("unhandledRejection", listener);
    });
    const fixture = new Fixture();
    let failures = 1;
    fixture.onUpdate = () => {
      if (failures-- > 0) throw new Error("a bug of the listener");
    };
    await fixture.clock.advance(0);
    await new Promise<void>((resolve) => setImmediate(resolve)); // rejections are told between turns of the event loop
    expect(unhandled.map(String)).toEqual(["Error: a bug of the listener"]);
    expect(fixture.updates.map(({ kind }) => kind)).toEqual(["endpoints"]);
    await fixture.clock.advance(30_000);
    expect(fixture.updates.map(({ kind }) => kind)).toEqual(["endpoints", "endpoints"]);
  });
});

describe("a DNS resolver that is closed", () => {
  test("looks nothing up any more, and leaves no timer", async () => {
    const fixture = new Fixture();
    await fixture.clock.advance(0);
    fixture.resolver.close();
    expect(fixture.clock.pending).toBe(0);
    fixture.resolver.close();
    fixture.resolver.resolveNow();
    await fixture.clock.advance(120_000);
    expect(fixture.lookups).toHaveLength(1);
    expect(fixture.updates).toHaveLength(1);
  });

  test.each(["found", "failed"])("tells nothing of a look-up that was under way, and %s", async (result) => {
    let settle: () => void = () => {};
    const fixture = new Fixture({
      lookup: () =>
        new Promise((resolve, reject) => {
          settle = () => (result === "found" ? resolve(v4(1)) : reject(new Error("late")));
        }),
    });
    fixture.resolver.close();
    settle();
    await fixture.clock.advance(120_000);
    expect(fixture.updates).toEqual([]);
    expect(fixture.clock.pending).toBe(0);
  });

  test.each(["found", "failed"])("may be closed in the middle of its update that it %s", async (result) => {
    const fixture = new Fixture({ answer: result === "found" ? v4(1) : new Error("SERVFAIL") });
    fixture.onUpdate = () => fixture.resolver.close();
    await fixture.clock.advance(120_000);
    expect(fixture.updates).toHaveLength(1);
    expect(fixture.lookups).toHaveLength(1);
    expect(fixture.clock.pending).toBe(0);
  });
});

describe("a host with addresses of both families", () => {
  test("has the endpoints of the family of its first address, so that no pod counts twice", async () => {
    const fixture = new Fixture({ answer: [...v6("fd00::1"), ...v4(2), ...v6("fd00::2")] });
    await fixture.clock.advance(0);
    expect(fixture.last).toBe("[fd00::1]:8080 [fd00::2]:8080");
    fixture.answer = [...v4(2), ...v6("fd00::1", "fd00::2")];
    await fixture.clock.advance(30_000);
    expect(fixture.last).toBe("10.0.0.1:8080 10.0.0.2:8080");
  });

  test("is one endpoint that is dialled at both when it has one of each, like localhost", async () => {
    const answer = [...v6("::1"), { address: "127.0.0.1", family: 4 }];
    const fixture = new Fixture({ target: "http://localhost:8080", answer });
    await fixture.clock.advance(0);
    expect(fixture.updates).toEqual([
      {
        kind: "endpoints",
        endpoints: [
          expect.objectContaining({
            key: "[::1]:8080",
            addresses: [
              { host: "::1", port: 8080 },
              { host: "127.0.0.1", port: 8080 },
            ],
          }),
        ],
      },
    ]);
  });

  test.each([
    ["two of the first family and one of the other", [...v6("fd00::1", "fd00::2"), ...v4(1)], 2],
    ["one of the first family and two of the other", [...v6("fd00::1"), ...v4(2)], 1],
  ])(
    "has endpoints of one address each when it has %s: which belong together is not known",
    async (_name, answer, count) => {
      const fixture = new Fixture({ answer });
      await fixture.clock.advance(0);
      const [update] = fixture.updates;
      const endpoints = update?.kind === "endpoints" ? update.endpoints : [];
      expect(endpoints.map(({ addresses }) => addresses.length)).toEqual(new Array(count).fill(1));
    },
  );

  test("counts an address once that was found twice", async () => {
    const fixture = new Fixture({ answer: [...v4(1), ...v4(1), ...v4(1)] });
    await fixture.clock.advance(0);
    expect(fixture.last).toBe("10.0.0.1:8080");
  });
});

describe("SRV records", () => {
  const records = (...list: { name: string; port: number; priority: number; weight: number }[]): void => {
    const spy = vi.spyOn(nodeDns.Resolver.prototype, "resolveSrv").mockResolvedValue(list);
    onTestFinished(() => spy.mockRestore());
  };
  const hosts: Record<string, readonly HostAddress[]> = {
    "a.orders": [{ address: "10.0.0.1", family: 4 }],
    "b.orders": [{ address: "10.0.0.2", family: 4 }],
  };
  const lookup = async (host: string): Promise<readonly HostAddress[]> => {
    const found = hosts[host];
    if (host === "broken.orders") throw Object.assign(new Error(`ESERVFAIL ${host}`), { code: "ESERVFAIL" });
    if (found === undefined) throw Object.assign(new Error(`ENOTFOUND ${host}`), { code: "ENOTFOUND" });
    return found;
  };
  const a = { name: "a.orders", port: 9001, priority: 1, weight: 3 };
  const b = { name: "b.orders", port: 9002, priority: 1, weight: 0 };

  test("give port and weight, and are asked for under their labels", async () => {
    records(a, b);
    const fixture = new Fixture({ srv: "_grpc._tcp", lookup });
    await fixture.clock.advance(0);
    expect(vi.mocked(nodeDns.Resolver.prototype.resolveSrv).mock.calls).toEqual([["_grpc._tcp.orders"]]);
    expect(fixture.updates).toEqual([
      {
        kind: "endpoints",
        endpoints: [
          expect.objectContaining({ key: "10.0.0.1:9001", weight: 3 }),
          expect.objectContaining({ key: "10.0.0.2:9002", weight: 1 }), // RFC 2782: 0 is a very small chance, not none
        ],
      },
    ]);
  });

  test("count only when their priority is the lowest number", async () => {
    records({ ...a, priority: 20 }, { ...b, priority: 10 });
    const fixture = new Fixture({ srv: "_grpc._tcp", lookup });
    await fixture.clock.advance(0);
    expect(fixture.last).toBe("10.0.0.2:9002");
  });

  test("are a failure when there is none, so that the last good set stays", async () => {
    records();
    const fixture = new Fixture({ srv: "_grpc._tcp", lookup });
    await fixture.clock.advance(0);
    expect(fixture.updates.map(({ kind }) => kind)).toEqual(["error"]);
    expect(fixture.last).toContain("_grpc._tcp.orders has no SRV record");
  });

  test("that name a host without addresses do not take the others with them", async () => {
    records(a, { ...b, name: "gone.orders" });
    const fixture = new Fixture({ srv: "_grpc._tcp", lookup });
    await fixture.clock.advance(0);
    expect(fixture.last).toBe("10.0.0.1:9001");
  });

  test("are a failure when a host of theirs cannot be looked up, which may be there still", async () => {
    records(a, { ...b, name: "broken.orders" });
    const fixture = new Fixture({ srv: "_grpc._tcp", lookup });
    await fixture.clock.advance(0);
    expect(fixture.last).toBe("DNS look-up of orders failed: ESERVFAIL broken.orders");
  });

  test("are a failure when none of their hosts has an address", async () => {
    records({ ...a, name: "gone.orders" }, { ...b, name: "away.orders" });
    const fixture = new Fixture({ srv: "_grpc._tcp", lookup });
    await fixture.clock.advance(0);
    expect(fixture.last).toBe("DNS look-up of orders failed: ENOTFOUND gone.orders; ENOTFOUND away.orders");
  });
});

describe("a Service name that resolves to one address", () => {
  const emitWarning = vi.spyOn(process, "emitWarning");
  afterEach(() => {
    emitWarning.mockReset();
  });
  /** Every host is warned of once in a process. */
  let services = 0;
  const service = (): string => `orders-${++services}.shop.svc.cluster.local`;

  test("is warned of once, by the process and an event", async () => {
    emitWarning.mockReturnValue();
    const warnings = collect("warning");
    const host = service();
    for (let channel = 0; channel < 2; channel++) {
      const fixture = new Fixture({ target: `http://${host}:8080`, answer: v4(1) });
      await fixture.clock.advance(120_000);
      expect(fixture.last).toBe("10.0.0.1:8080");
    }
    const message = expect.stringContaining(`${host} resolves to the single address 10.0.0.1`);
    expect(warnings).toEqual([{ target: `http://${host}:8080`, message }]);
    expect(emitWarning.mock.calls).toEqual([[message, { type: "EvenkeelWarning", code: "EVENKEEL_CLUSTER_IP" }]]);
  });

  test("is warned of also when it has that address in both families", async () => {
    emitWarning.mockReturnValue();
    const warnings = collect("warning");
    const answer = [...v4(1), ...v6("fd00::1")];
    const fixture = new Fixture({ target: `http://${service()}:8080`, answer });
    await fixture.clock.advance(0);
    expect(warnings).toHaveLength(1);
  });

  test.each([
    "http://orders.example:8080",
    "http://orders:8080",
    "http://orders.svc-7.example",
    "http://localhost:8080",
  ])("is not what %s is", async (target) => {
    emitWarning.mockReturnValue();
    const fixture = new Fixture({ target, answer: v4(1) });
    await fixture.clock.advance(0);
    expect(fixture.updates).toHaveLength(1);
    expect(emitWarning).not.toHaveBeenCalled();
  });

  test("is not what a headless Service with two pods is", async () => {
    emitWarning.mockReturnValue();
    const fixture = new Fixture({ target: `http://${service()}:8080` });
    await fixture.clock.advance(0);
    expect(fixture.last).toBe("10.0.0.1:8080 10.0.0.2:8080");
    expect(emitWarning).not.toHaveBeenCalled();
  });

  test("is told before its endpoints are", async () => {
    emitWarning.mockReturnValue();
    const order: string[] = [];
    callOn("warning", () => order.push("warning"));
    const fixture = new Fixture({ target: `http://${service()}.:8080`, answer: v4(1) });
    fixture.onUpdate = () => order.push("update");
    await fixture.clock.advance(0);
    expect(order).toEqual(["warning", "update"]);
  });

  test("may be closed by whoever hears the warning, and tells nothing then", async () => {
    emitWarning.mockReturnValue();
    const fixture = new Fixture({ target: `http://${service()}:8080`, answer: v4(1) });
    callOn("warning", () => fixture.resolver.close());
    await fixture.clock.advance(120_000);
    expect(emitWarning).toHaveBeenCalledTimes(1);
    expect(fixture.updates).toEqual([]);
  });
});

describe("the options of dns()", () => {
  test("refuse a look-up together with servers", () => {
    expect(() => dns({ lookup: async () => v4(1), servers: ["127.0.0.1"] })).toThrow(TypeError);
  });

  test.each([0, -1, Number.NaN])("refuse a refresh every %d ms", (refreshMs) => {
    expect(() => dns({ refreshMs })).toThrow(RangeError);
    expect(() => dns({ refreshMs })).toThrow("dns: refreshMs: expected more than 0 milliseconds");
  });

  test.each([
    [{ refreshMS: 5_000 }, "refreshMS"],
    [{ refreshMs: "5000" }, "refreshMs"],
    [{ lookup: "orders" }, "lookup"],
    [{ srv: true }, "srv"],
    [null, "dns"],
  ])("refuse %j", (options, name) => {
    expect(() => dns(options as DnsOptions)).toThrow(TypeError);
    expect(() => dns(options as DnsOptions)).toThrow(name);
  });

  test.each([[["orders"]], [["127.0.0.1:x"]], [[""]], [[]], ["8.8.8.8"], [[8]], [null]])(
    "refuse the servers %j",
    (servers) => {
      const got = JSON.stringify(servers);
      expect(() => dns({ servers: servers as never })).toThrow(TypeError);
      expect(() => dns({ servers: servers as never })).toThrow(
        `dns: servers: expected a list of "address" or "address:port", got ${got}`,
      );
    },
  );
});
