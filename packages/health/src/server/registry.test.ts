import { getEventListeners } from "node:events";
import { seededRandom } from "@evenkeel/testing";
import { describe, expect, it } from "vitest";
import { createHealthRegistry } from "./create-registry.ts";
import type { HealthLifecycle, HealthPhase, HealthRegistryOptions, WatchedStatus } from "./registry.ts";

/** A lifecycle that the test moves. */
class ManualLifecycle implements HealthLifecycle {
  phase: HealthPhase = "serving";
  readonly callbacks = new Set<(phase: HealthPhase) => void>();

  onPhase(callback: (phase: HealthPhase) => void): () => void {
    this.callbacks.add(callback);
    return () => this.callbacks.delete(callback);
  }

  enter(phase: HealthPhase): void {
    this.phase = phase;
    for (const callback of [...this.callbacks]) callback(phase);
  }
}

/** What a watch tells without a wait: `undefined` where it waits, `over` at its end. */
async function nextNow(watch: AsyncIterator<WatchedStatus, undefined>): Promise<WatchedStatus | "over" | undefined> {
  let told: WatchedStatus | "over" | undefined;
  void watch.next().then(({ done, value }) => {
    told = done === true ? "over" : value;
  });
  for (let turn = 0; turn < 10; turn++) await undefined;
  return told;
}

describe("a registry", () => {
  it("says that the server serves, and knows nothing else", () => {
    const registry = createHealthRegistry();
    expect(registry.get("")).toBe("serving");
    expect(registry.get("shop.OrderService")).toBeUndefined();
    expect([...registry.list()]).toEqual([["", "serving"]]);
  });

  it("tells what was set", () => {
    const registry = createHealthRegistry({ statuses: { "shop.OrderService": "unknown" } });
    expect([...registry.list()]).toEqual([
      ["", "serving"],
      ["shop.OrderService", "unknown"],
    ]);
    expect(createHealthRegistry({ statuses: { "": "notServing" } }).get("")).toBe("notServing");
    registry.set("shop.OrderService", "serving");
    registry.set("shop.CartService", "notServing");
    expect([registry.get("shop.OrderService"), registry.get("shop.CartService")]).toEqual(["serving", "notServing"]);
    expect(registry.delete("shop.CartService")).toBe(true);
    expect(registry.delete("shop.CartService")).toBe(false);
    expect(registry.get("shop.CartService")).toBeUndefined();
  });

  it("that is shut down tells that nothing serves, and remembers what is set", () => {
    const registry = createHealthRegistry({ statuses: { "": "serving", a: "unknown" } });
    registry.shutdown();
    registry.set("a", "serving");
    registry.set("b", "serving");
    expect([...registry.list()]).toEqual([
      ["", "notServing"],
      ["a", "notServing"],
      ["b", "notServing"],
    ]);
    expect(registry.get("c")).toBeUndefined();
    registry.resume();
    expect([...registry.list().values()]).toEqual(["serving", "serving", "serving"]);
    registry.close();
    registry.resume();
    expect(registry.get("a")).toBe("notServing");
  });

  it("follows a lifecycle, also one that is under way", () => {
    const lifecycle = new ManualLifecycle();
    const registry = createHealthRegistry({ lifecycle });
    lifecycle.enter("notReady");
    expect(registry.get("")).toBe("notServing");
    expect(createHealthRegistry({ lifecycle }).get("")).toBe("notServing");
    lifecycle.enter("draining");
    expect(lifecycle.callbacks.size).toBe(0);
    lifecycle.enter("closed");
    expect(createHealthRegistry({ lifecycle }).get("")).toBe("notServing");
    expect(lifecycle.callbacks.size).toBe(0);
  });

  it.each([
    [{ status: {} }, /^status is no option: expected statuses or lifecycle/],
    [{ statuses: { a: "SERVING" } }, /^statuses\["a"\]: expected "serving", "notServing" or "unknown", got "SERVING"/],
    [{ lifecycle: {} }, /^lifecycle: expected an object with phase and onPhase\(\)/],
    [{ lifecycle: null }, /^lifecycle: expected/],
  ])("refuses the options %j", (options, message) => {
    expect(() => createHealthRegistry(options as HealthRegistryOptions)).toThrow(TypeError);
    expect(() => createHealthRegistry(options as HealthRegistryOptions)).toThrow(message);
  });

  it("refuses what is no service and no status", () => {
    const registry = createHealthRegistry();
    expect(() => registry.set("a", "serviceUnknown" as "unknown")).toThrow(/^status: expected "serving"/);
    expect(() => registry.set(1 as unknown as string, "serving")).toThrow(/^service: expected the full name/);
    expect(() => registry.watch(undefined as unknown as string)).toThrow(/^service: expected the full name/);
    expect(registry.list().size).toBe(1);
  });
});

describe("a watch", () => {
  it("tells the status at once, and its changes alone", async () => {
    const registry = createHealthRegistry();
    const watch = registry.watch("a");
    expect(await nextNow(watch)).toBe("serviceUnknown");
    const next = watch.next();
    registry.set("b", "serving");
    registry.set("a", "serving");
    registry.set("a", "serving");
    expect(await next).toEqual({ done: false, value: "serving" });
    registry.delete("a");
    expect(await nextNow(watch)).toBe("serviceUnknown");
    expect(await nextNow(watch)).toBeUndefined();
    registry.set("a", "notServing");
    await watch.return?.();
  });

  it("tells whoever is slow the latest alone, and nothing where that is what it knows", async () => {
    const registry = createHealthRegistry();
    const watch = registry.watch("");
    expect(await nextNow(watch)).toBe("serving");
    for (const status of ["notServing", "unknown", "notServing", "unknown"] as const) registry.set("", status);
    expect(await nextNow(watch)).toBe("unknown");
    registry.set("", "serving");
    registry.set("", "unknown");
    expect(await nextNow(watch)).toBeUndefined();
    await watch.return?.();
  });

  it("tells the last change before its end with the registry", async () => {
    const registry = createHealthRegistry();
    const [slow, quick, waiting] = [registry.watch(""), registry.watch(""), registry.watch("")];
    await nextNow(slow);
    await nextNow(quick);
    await nextNow(waiting);
    const ends = [waiting.next(), waiting.next()];
    registry.shutdown();
    expect(await nextNow(quick)).toBe("notServing");
    registry.close();
    expect(await nextNow(quick)).toBe("over");
    expect([await nextNow(slow), await nextNow(slow), await nextNow(slow)]).toEqual(["notServing", "over", "over"]);
    expect((await Promise.all(ends)).map(({ done }) => done)).toEqual([false, true]);
    expect(await nextNow(registry.watch(""))).toBe("over");
  });

  it("ends with its signal, also one that has aborted, and leaves nothing on it", async () => {
    const registry = createHealthRegistry();
    const abort = new AbortController();
    const listeners = (): number => getEventListeners(abort.signal, "abort").length;
    const watch = registry.watch("", { signal: abort.signal });
    const left = registry.watch("", { signal: abort.signal });
    await nextNow(watch);
    const next = watch.next();
    await left.return?.();
    expect(listeners()).toBe(1);
    registry.set("", "notServing");
    registry.set("", "serving");
    expect(await next).toMatchObject({ value: "notServing" });
    abort.abort();
    expect(listeners()).toBe(0);
    expect(await nextNow(watch)).toBe("over"); // what it was not told is nobody's
    expect(await nextNow(registry.watch("", { signal: abort.signal }))).toBe("over");
    expect(listeners()).toBe(0);
  });

  it("says what is so, whatever came before: random interleavings", async () => {
    const services = ["", "a", "b"] as const;
    for (let seed = 1; seed <= 200; seed++) {
      const random = seededRandom(seed);
      const one = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
      const registry = createHealthRegistry();
      const readers = services.map((service) => new Reader(service, registry.watch(service)));
      for (let step = 0; step < 60; step++) {
        const draw = random();
        if (draw < 0.3) registry.set(one(services), one(["serving", "notServing", "unknown"]));
        else if (draw < 0.4) registry.delete(one(services));
        else if (draw < 0.45) registry.shutdown();
        else if (draw < 0.55) registry.resume();
        else await one(readers).read();
      }
      for (const reader of readers) {
        await reader.read(); // it may have asked before, and have been told what was so then
        await reader.read();
        expect(reader.told.at(-1)).toBe(registry.get(reader.service) ?? "serviceUnknown");
      }
      registry.close();
      for (const reader of readers) {
        while (reader.told.at(-1) !== "over") await reader.read();
        const wasKnown = registry.get(reader.service) !== undefined;
        expect(reader.told.at(-2)).toBe(wasKnown ? "notServing" : "serviceUnknown");
        expect(reader.told.filter((status, index) => status === reader.told[index + 1])).toEqual([]);
      }
    }
  });
});

/** Asks for the next status when it is told to, and takes it whenever it comes. */
class Reader {
  readonly service: string;
  readonly told: (WatchedStatus | "over")[] = [];
  readonly #watch: AsyncIterator<WatchedStatus, undefined>;
  #asks = false;

  constructor(service: string, watch: AsyncIterator<WatchedStatus, undefined>) {
    this.service = service;
    this.#watch = watch;
  }

  async read(): Promise<void> {
    if (!this.#asks) {
      this.#asks = true;
      void this.#watch.next().then(({ done, value }) => {
        this.#asks = false;
        this.told.push(done === true ? "over" : value);
      });
    }
    for (let turn = 0; turn < 5; turn++) await undefined;
  }
}
