import { getEventListeners } from "node:events";
import { FakeClock, ScriptedConnector } from "@evenkeel/testing";
import { describe, expect, test } from "vitest";
import { pod } from "../../test-helpers/endpoints.ts";
import { StatusCode, StatusError } from "../errors.ts";
import { type PickHandler, PickQueue, type QueueResult } from "./pick-queue.ts";

const connection = new ScriptedConnector().connect(pod(1), {
  ready() {},
  capacity() {},
  suspicion() {},
  goaway() {},
  closed() {},
});
const complete: QueueResult = { kind: "complete", connection };
const wait: QueueResult = { kind: "queue" };
const info = { path: "/demo.v1.Demo/Call" };

interface Fixture {
  readonly clock: FakeClock;
  readonly queue: PickQueue;
  /** What became of the RPCs, in order: `a picked`, `b failed: …`. */
  readonly log: string[];
  add(name: string, signal?: AbortSignal, then?: () => void): void;
}

function fixture({ timeoutMs = 30_000, maxLength = 100 } = {}): Fixture {
  const clock = new FakeClock();
  const queue = new PickQueue({ clock, timeoutMs, maxLength, describe: () => "nothing is ready" });
  const log: string[] = [];
  const handler = (name: string, then?: () => void): PickHandler => ({
    picked() {
      log.push(`${name} picked`);
      then?.();
    },
    failed(error) {
      log.push(`${name} failed: ${error.message}`);
      then?.();
    },
  });
  return { clock, queue, log, add: (name, signal, then) => queue.add({ path: name }, handler(name, then), signal) };
}

describe("the pick queue", () => {
  test("serves those that wait first in, first out", () => {
    const { queue, log, add } = fixture();
    for (const name of ["a", "b", "c", "d"]) add(name);
    let room = 3;
    queue.drain(() => (room-- > 0 ? complete : wait));
    expect(log).toEqual(["a picked", "b picked", "c picked"]);
    expect(queue.length).toBe(1);
    queue.drain(() => complete);
    expect(log.at(-1)).toBe("d picked");
    expect(queue.length).toBe(0);
  });

  test("asks for no more of them when it hears that there is nothing to be had", () => {
    const { queue, log, add } = fixture();
    for (const name of ["a", "b", "c"]) add(name);
    let asked = 0;
    queue.drain(() => (++asked > 1 ? undefined : complete));
    expect(asked).toBe(2);
    expect(log).toEqual(["a picked"]);
    expect(queue.length).toBe(2);
  });

  test("asks for those behind one that has to wait on", () => {
    const { queue, log, add } = fixture();
    for (const name of ["a", "b", "c"]) add(name);
    queue.drain(({ path }) => (path === "b" ? complete : wait));
    expect(log).toEqual(["b picked"]);
    expect(queue.length).toBe(2);
  });

  test("tells the picker which RPC it picks for", () => {
    const { queue, add } = fixture();
    add("/a");
    add("/b");
    const paths: string[] = [];
    queue.drain(({ path }) => {
      paths.push(path);
      return complete;
    });
    expect(paths).toEqual(["/a", "/b"]);
  });

  test("fails those for which the picker has an error", () => {
    const { queue, log, add } = fixture();
    add("a");
    add("b");
    queue.drain(({ path }) =>
      path === "a" ? { kind: "fail", error: new Error("no") } : { kind: "drop", error: new Error("shed") },
    );
    expect(log).toEqual(["a failed: no", "b failed: shed"]);
    expect(queue.length).toBe(0);
  });

  test("lets an RPC go as soon as its signal aborts, with the signal's reason", () => {
    const { clock, queue, log, add } = fixture();
    const abort = new AbortController();
    add("a", abort.signal);
    add("b");
    abort.abort(new Error("not needed any more"));
    expect(log).toEqual(["a failed: not needed any more"]);
    expect(queue.length).toBe(1);
    expect(clock.pending).toBe(1);
    queue.drain(() => complete);
    expect(log).toEqual(["a failed: not needed any more", "b picked"]);
  });

  test("fails an RPC at once whose signal has aborted already", () => {
    const { clock, queue, log, add } = fixture();
    add("a", AbortSignal.abort(new Error("too late")));
    expect(log).toEqual(["a failed: too late"]);
    expect(queue.length).toBe(0);
    expect(clock.pending).toBe(0);
  });

  test("takes its hands off the signal of an RPC that was served", () => {
    const { queue, log, add } = fixture();
    const abort = new AbortController();
    add("a", abort.signal);
    expect(getEventListeners(abort.signal, "abort")).toHaveLength(1);
    queue.drain(() => complete);
    expect(getEventListeners(abort.signal, "abort")).toEqual([]);
    abort.abort(new Error("late"));
    expect(log).toEqual(["a picked"]);
  });

  test("fails an RPC that waited too long with Unavailable, and says what it waited for", () => {
    const { clock, queue, add, log } = fixture({ timeoutMs: 2_000 });
    let error: Error | undefined;
    queue.add(info, { picked() {}, failed: (reason) => (error = reason) }, undefined);
    clock.tick(1_000);
    add("b");
    clock.tick(999);
    expect(error).toBeUndefined();
    clock.tick(1);
    expect(error).toBeInstanceOf(StatusError);
    expect(error).toMatchObject({
      code: StatusCode.unavailable,
      message: "waited 2000 ms for a connection: nothing is ready",
    });
    expect(log).toEqual([]);
    expect(queue.length).toBe(1);
    clock.tick(1_000);
    expect(queue.length).toBe(0);
  });

  test("keeps the process alive while an RPC waits, and not afterwards", () => {
    const { clock, queue, add } = fixture();
    expect(clock.pendingRef).toBe(0);
    add("a");
    expect(clock.pendingRef).toBe(1);
    queue.drain(() => complete);
    expect(clock.pending).toBe(0);
  });

  test("refuses RPCs beyond its length with ResourceExhausted, and takes new ones when it has room again", () => {
    const { queue, log, add } = fixture({ maxLength: 2 });
    add("a");
    add("b");
    let error: Error | undefined;
    queue.add(info, { picked() {}, failed: (reason) => (error = reason) }, undefined);
    expect(error).toMatchObject({ code: StatusCode.resourceExhausted });
    expect(error?.message).toBe("2 RPCs wait for a connection already: nothing is ready");
    expect(queue.length).toBe(2);
    queue.drain(({ path }) => (path === "a" ? complete : wait));
    add("d");
    expect(queue.length).toBe(2);
    expect(log).toEqual(["a picked"]);
  });

  test("fails all that wait, and frees their timers and signals", () => {
    const { clock, queue, log, add } = fixture();
    const abort = new AbortController();
    add("a", abort.signal);
    add("b");
    queue.failAll(new Error("closed"));
    abort.abort(new Error("late"));
    expect(log).toEqual(["a failed: closed", "b failed: closed"]);
    expect(clock.pending).toBe(0);
  });
});

describe("a handler that comes back while the queue is drained", () => {
  test("may add an RPC", () => {
    const { queue, log, add } = fixture();
    add("a", undefined, () => add("c"));
    add("b");
    queue.drain(() => complete);
    expect(log).toEqual(["a picked", "b picked", "c picked"]);
  });

  test("may abort another, which is not picked then", () => {
    const { queue, log, add } = fixture();
    const abort = new AbortController();
    add("a", undefined, () => abort.abort(new Error("sibling")));
    add("b", abort.signal);
    add("c");
    queue.drain(() => complete);
    expect(log).toEqual(["a picked", "b failed: sibling", "c picked"]);
  });

  test("may drain again: each RPC is settled once", () => {
    const { queue, log, add } = fixture();
    add("a", undefined, () => queue.drain(() => complete));
    add("b");
    add("c");
    queue.drain(() => complete);
    expect(log).toEqual(["a picked", "b picked", "c picked"]);
  });

  test("may fail all others", () => {
    const { queue, log, add } = fixture();
    add("a", undefined, () => queue.failAll(new Error("closed")));
    add("b");
    queue.drain(() => complete);
    expect(log).toEqual(["a picked", "b failed: closed"]);
    expect(queue.length).toBe(0);
  });

  test("may add an RPC while all are failed, which is left to the caller", () => {
    const { queue, log, add } = fixture();
    add("a", undefined, () => add("b"));
    queue.failAll(new Error("closed"));
    expect(log).toEqual(["a failed: closed"]);
    expect(queue.length).toBe(1);
    queue.failAll(new Error("closed"));
  });
});
