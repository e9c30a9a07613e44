import { describe, expect, it } from "vitest";
import { createEndpoint } from "../endpoint/endpoint.ts";
import type { ResolverListener, ResolverUpdate } from "./resolver.ts";
import { SharedResolvers } from "./shared.ts";

const found: ResolverUpdate = { kind: "endpoints", endpoints: [createEndpoint({ host: "10.0.0.1", port: 80 })] };
const failed: ResolverUpdate = { kind: "error", error: new Error("SERVFAIL") };

function startable() {
  const log: string[] = [];
  let publish: ResolverListener = () => {};
  const start = (listener: ResolverListener) => {
    log.push("start");
    publish = listener;
    return { resolveNow: () => void log.push("resolveNow"), close: () => void log.push("close") };
  };
  return { log, start, publish: (update: ResolverUpdate) => publish(update) };
}

describe("SharedResolvers", () => {
  it("runs one resolver for a key, from the first user to the last", () => {
    const shared = new SharedResolvers();
    const { log, start } = startable();
    const first = shared.join("a", () => {}, start);
    const second = shared.join("a", () => {}, start);
    second.resolveNow();
    first.close();
    first.close();
    expect(log).toEqual(["start", "resolveNow"]);
    second.close();
    expect(log).toEqual(["start", "resolveNow", "close"]);
    shared.join("a", () => {}, start).close();
    expect(log).toEqual(["start", "resolveNow", "close", "start", "close"]);
  });

  it("keeps keys apart", () => {
    const shared = new SharedResolvers();
    const { log, start } = startable();
    shared.join("a", () => {}, start);
    shared.join("b", () => {}, start);
    expect(log).toEqual(["start", "start"]);
  });

  it("tells everyone, and latecomers the present set and why it is not renewed", () => {
    const shared = new SharedResolvers();
    const { start, publish } = startable();
    const heard: ResolverUpdate[][] = [[], [], []];
    const join = (index: number) => shared.join("a", (update) => heard[index]?.push(update), start);
    join(0);
    publish(found);
    join(1).close();
    publish(failed);
    join(2);
    expect(heard).toEqual([[found, failed], [found], [found, failed]]);
    publish(found);
    expect(heard[2]).toEqual([found, failed, found]);
  });

  it("closes a resolver whose only user left while it started", () => {
    const shared = new SharedResolvers();
    const log: string[] = [];
    let leave = (): void => {};
    const resolver = shared.join(
      "a",
      () => leave(),
      (listener) => {
        leave = () => log.push("told");
        listener(found);
        return { resolveNow() {}, close: () => void log.push("close") };
      },
    );
    resolver.close();
    expect(log).toEqual(["told", "close"]);
  });
});
