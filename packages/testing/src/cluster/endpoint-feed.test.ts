import {
  createEndpoint,
  parseTarget,
  type Resolver,
  type ResolverUpdate,
  systemClock,
  systemRandom,
} from "@evenkeel/core";
import { describe, expect, test } from "vitest";
import { EndpointFeed } from "./endpoint-feed.ts";

const a = createEndpoint({ key: "a", host: "127.0.0.1", port: 1 });
const b = createEndpoint({ key: "b", host: "127.0.0.1", port: 2 });

function resolve(feed: EndpointFeed, updates: string[], onUpdate?: (update: ResolverUpdate) => void): Resolver {
  const listener = (update: ResolverUpdate): void => {
    updates.push(update.kind === "endpoints" ? update.endpoints.map((each) => each.key).join() : update.kind);
    onUpdate?.(update);
  };
  return feed.resolver()(parseTarget("http://x"), listener, { clock: systemClock, random: systemRandom });
}

describe("EndpointFeed", () => {
  test("publishes at once without propagation, to every listener until it closes", () => {
    const feed = new EndpointFeed(0);
    const early: string[] = [];
    const late: string[] = [];
    const first = resolve(feed, early);
    feed.set(a);
    resolve(feed, late);
    feed.set(b);
    first.close();
    first.resolveNow();
    feed.delete("a");
    feed.delete("a");
    expect(early).toEqual(["", "a", "a,b"]);
    expect(late).toEqual(["a", "a,b", "b"]);
    expect(feed.published).toEqual([b]);
  });

  test("does not call a listener that another one closed in the same publication", () => {
    const feed = new EndpointFeed(0);
    const updates: string[] = [];
    let second: Resolver | undefined;
    resolve(feed, [], () => second?.close());
    second = resolve(feed, updates);
    feed.set(a);
    expect(updates).toEqual([""]);
  });

  test("publishes each change after the propagation time, in order, as it was when it was made", async () => {
    const feed = new EndpointFeed(20);
    const updates: string[] = [];
    resolve(feed, updates);
    feed.set(a);
    feed.set(b);
    feed.delete("a");
    expect(feed.published).toEqual([]);
    await feed.settled();
    expect(updates).toEqual(["", "a", "a,b", "b"]);
    await feed.settled();
  });

  test("publishes nothing after close, and is not found any more", async () => {
    const feed = new EndpointFeed(1_000_000);
    const updates: string[] = [];
    resolve(feed, updates);
    feed.set(a);
    const settled = feed.settled();
    feed.close();
    await settled;
    feed.set(b);
    resolve(feed, updates);
    expect(updates).toEqual(["", "notFound"]);
  });
});
