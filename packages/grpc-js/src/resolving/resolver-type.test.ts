import { AsyncLocalStorage } from "node:async_hooks";
import { createEndpoint } from "@evenkeel/core";
import { describe, expect, test } from "vitest";
import { Asking, error, nextTick, notFound, set } from "../../test-helpers/asking.ts";
import { toEndpoint } from "./endpoints.ts";

describe("a resolver of ours in grpc-js", () => {
  test("starts when it is asked first, with its own clock and randomness", async () => {
    const asking = new Asking();
    await nextTick();
    expect(asking.core.started).toEqual([]);
    expect(await asking.ask()).toEqual([]);
    expect(asking.core.started).toMatchObject([{ text: "scripted:///orders:80" }]);
    expect(asking.core.context?.clock).toBe(asking.clock);
    expect(await asking.say(set(1, 2))).toEqual(["1 2"]);
    expect(await asking.say(set(2, 3))).toEqual(["2 3"]);
  });

  test("tells nothing before the next tick, and then the last that was said", async () => {
    const asking = new Asking();
    asking.core.first = [set(1), set(2)];
    asking.resolver.updateResolution();
    expect(asking.heard).toEqual([]);
    expect(await asking.told()).toEqual(["2"]);
    asking.core.say(set(3));
    expect(asking.heard).toEqual([]);
    expect(await asking.told()).toEqual(["3"]);
  });

  test("hands on what may get RPCs, with all that is known of it", async () => {
    const asking = new Asking();
    await asking.ask();
    const [one, two, three] = [1, 2, 3].map((number) => createEndpoint({ host: `10.0.0.${number}`, port: 80 }));
    const ready = { ...(one as NonNullable<typeof one>), zone: "a", weight: 7, podName: "orders-1" };
    const unready = { ...(two as NonNullable<typeof two>), ready: false, serving: false };
    const leaving = { ...(three as NonNullable<typeof three>), ready: false, terminating: true };
    expect(await asking.say({ kind: "endpoints", endpoints: [unready, ready, leaving] })).toEqual(["1"]);
    expect(asking.lists[0]?.map(toEndpoint)).toEqual([ready]);
    expect(await asking.say({ kind: "endpoints", endpoints: [unready, leaving] })).toEqual(["3"]);
  });

  test("an empty set empties the channel, and fails its RPCs with what there is", async () => {
    const asking = new Asking();
    await asking.ask();
    const none = "scripted:///orders:80: it has no endpoints";
    expect(await asking.say(set())).toEqual([` (${none})`, `! ${none}`]);
    await asking.say(set(1));
    const unready = { ...createEndpoint({ host: "10.0.0.1", port: 80 }), ready: false };
    const text = "scripted:///orders:80: none of its 2 endpoints is ready";
    const update = { kind: "endpoints", endpoints: [unready, unready] } as const;
    expect(await asking.say(update)).toEqual([` (${text})`, `! ${text}`]);
    const failing = `${text} (and the resolver fails: no DNS)`;
    expect(await asking.say(error("no DNS"))).toEqual([` (${failing})`, `! ${failing}`]);
  });

  test("an error before any set fails RPCs, once for each reason", async () => {
    const asking = new Asking();
    await asking.ask();
    const text = "scripted:///orders:80: its endpoints could not be learnt";
    expect(await asking.say(error("no DNS"))).toEqual([`! ${text}: no DNS`]);
    expect(await asking.say(error("no DNS"))).toEqual([]);
    expect(await asking.say(error("still no DNS"))).toEqual([`! ${text}: still no DNS`]);
    expect(await asking.say(set(1))).toEqual(["1"]);
  });

  test("an error after a set leaves it, and is noted, once for each reason", async () => {
    const asking = new Asking();
    await asking.ask();
    await asking.say(set(1, 2));
    const noted = "1 2 (scripted:///orders:80: the resolver fails: no DNS)";
    expect(await asking.say(error("no DNS"))).toEqual([noted]);
    expect(await asking.say(error("no DNS"))).toEqual([]);
    expect(asking.lists[1]).toBe(asking.lists[0]);
    expect(await asking.say(set(1, 2))).toEqual(["1 2"]);
  });

  test("what does not exist any more drops the set", async () => {
    const asking = new Asking();
    await asking.ask();
    await asking.say(set(1));
    const text = "scripted:///orders:80: its endpoints could not be learnt: there is no such Service";
    expect(await asking.say(notFound("there is no such Service"))).toEqual([` (${text})`, `! ${text}`]);
    expect(await asking.say(notFound("there is no such Service"))).toEqual([`! ${text}`]);
    const later = "scripted:///orders:80: its endpoints could not be learnt: no API server";
    expect(await asking.say(error("no API server"))).toEqual([`! ${later}`]);
  });
});

describe("a resolver that is destroyed", () => {
  test("closes, and tells nothing more", async () => {
    const asking = new Asking();
    asking.core.first = [set(1)];
    asking.resolver.updateResolution();
    asking.resolver.destroy();
    expect(await asking.told()).toEqual([]);
    expect(asking.core.closed).toBe(1);
    expect(await asking.say(set(2))).toEqual([]);
    asking.resolver.destroy();
    expect(asking.core.closed).toBe(1);
  });

  test("by whoever hears it tells nothing more either", async () => {
    const asking = new Asking();
    await asking.ask();
    asking.onHeard = () => asking.resolver.destroy();
    expect(await asking.say(set())).toHaveLength(1);
  });

  test("starts anew when it is asked once more", async () => {
    const asking = new Asking();
    await asking.ask();
    await asking.say(set(1));
    asking.resolver.destroy();
    expect(await asking.ask()).toEqual([]);
    expect(asking.core.started).toHaveLength(2);
    expect(await asking.say(set(2))).toEqual(["2"]);
    asking.resolver.destroy();
    expect(asking.core.closed).toBe(2);
  });
});

describe("what cannot be resolved, whatever comes,", () => {
  const text = "fault: scripted:///orders:80";

  test.each([
    [new TypeError("no name of a Service"), "no name of a Service"],
    ["thrown", "thrown"],
  ])("is what a factory throws (%s), told again when asked", async (fault, message) => {
    const asking = new Asking();
    asking.core.fault = fault;
    expect(await asking.ask()).toEqual([`${text}: ${message}`]);
    await asking.clock.advance(1_000);
    expect(await asking.ask()).toEqual([`${text}: ${message}`]);
    asking.resolver.destroy();
    asking.core.fault = undefined;
    asking.core.first = [set(1)];
    expect(await asking.ask()).toEqual(["1"]);
  });

  test("is a malformed target", async () => {
    const asking = new Asking();
    asking.core.malformed = new TypeError("malformed target");
    expect(await asking.ask()).toEqual([`${text}: malformed target`]);
    expect(asking.core.started).toEqual([]);
    expect(asking.clock.pending).toBe(0);
  });

  test("is a service config whose policies grpc-js would replace by pick_first", async () => {
    const asking = new Asking({ "grpc.service_config": '{"loadBalancingConfig":[{"nope":{}}]}' });
    const heard = [
      `${text}: grpc.service_config: loadBalancingConfig: no policy is called nope; evenkeel's register() adds ours`,
    ];
    expect(await asking.ask()).toEqual(heard);
    expect(asking.core.started).toEqual([]);
    await asking.clock.advance(1_000);
    expect(await asking.ask()).toEqual(heard);
    asking.resolver.destroy();
  });
});

test("keeps nothing of the RPC that asks", async () => {
  const storage = new AsyncLocalStorage<string>();
  const asking = new Asking();
  const seen: unknown[] = [];
  const see = (): unknown => seen.push(storage.getStore());
  asking.core.onStart = see;
  asking.onHeard = see;
  asking.core.first = [set(1)];
  await storage.run("RPC 1", () => asking.ask());
  await asking.clock.advance(1_000);
  await storage.run("RPC 2", () => asking.ask());
  expect(seen).toEqual([undefined, undefined, undefined]);
});
