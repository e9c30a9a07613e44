import { FakeClock } from "@evenkeel/testing";
import { describe, expect, onTestFinished, test } from "vitest";
import { type AnyRequest, last, ScriptedServiceApi } from "../../test-helpers/scripted-service-api.ts";
import { added, namesOf, slice } from "../../test-helpers/slices.ts";
import { ApiError } from "../api/api-error.ts";
import { type ServiceAnswer, ServiceWatch, type SliceListener } from "./service-watch.ts";

/** A listener that notes what it hears, in short. */
class Ear implements SliceListener {
  readonly log: string[] = [];
  onTold: () => void = () => {};
  readonly synced: SliceListener["synced"] = (slices) => this.#note(`[${namesOf(slices)}]`);
  readonly failed: SliceListener["failed"] = (error) => this.#note(error.message);

  #note(text: string): void {
    this.log.push(text);
    this.onTold();
  }
}

class Fixture {
  readonly clock = new FakeClock();
  readonly api = new ScriptedServiceApi(this.clock);
  unused = 0;
  readonly watch = new ServiceWatch({
    api: this.api,
    clock: this.clock,
    random: () => 0.5,
    unused: () => {
      this.unused++;
    },
  });

  /** Adds a listener until the test ends; lists `slice-1` if nothing was listed, and opens the watch. */
  async running(ear: Ear): Promise<() => void> {
    const leave = this.watch.add(ear);
    onTestFinished(leave);
    last(this.api.lists).slices("10", [slice("slice-1")]);
    await this.clock.advance(0);
    last(this.api.watches).open();
    return leave;
  }
}

describe("the watch of a Service", () => {
  test("begins with the first listener", async () => {
    const { api, watch } = new Fixture();
    expect(api.requests).toEqual([]);
    const leave = watch.add(new Ear());
    expect(api.log).toEqual(["list"]);
    leave();
  });

  test("tells a listener that comes later what is known, at once and without a request", async () => {
    const fixture = new Fixture();
    const [first, second] = [new Ear(), new Ear()];
    await fixture.running(first);
    const leave = fixture.watch.add(second);
    expect(second.log).toEqual(["[slice-1]"]);
    expect(first.log).toEqual(["[slice-1]"]);
    last(fixture.api.watches).send(added(slice("slice-2")));
    for (const { log } of [first, second]) expect(log).toEqual(["[slice-1]", "[slice-1 slice-2]"]);
    expect(fixture.api.log).toEqual(["list", "watch 10"]);
    leave();
  });

  test("tells a listener that comes later of a failure that is not over, and not of one that is", async () => {
    const fixture = new Fixture();
    await fixture.running(new Ear());
    last(fixture.api.watches).fail(new Error("lost"));
    await fixture.clock.advance(0);
    const during = new Ear();
    onTestFinished(fixture.watch.add(during));
    expect(during.log).toEqual(["[slice-1]", "lost"]);
    await fixture.clock.advance(200);
    last(fixture.api.watches).open();
    const after = new Ear();
    onTestFinished(fixture.watch.add(after));
    expect(after.log).toEqual(["[slice-1]"]);
  });

  test("tells a listener that comes before anything is known nothing, then everything", async () => {
    const fixture = new Fixture();
    const early = new Ear();
    onTestFinished(fixture.watch.add(early));
    expect(early.log).toEqual([]);
    await fixture.running(new Ear());
    expect(early.log).toEqual(["[slice-1]"]);
  });

  test("ends with the last listener, once", async () => {
    const fixture = new Fixture();
    const leaves = [await fixture.running(new Ear()), fixture.watch.add(new Ear()), fixture.watch.add(new Ear())];
    leaves[1]?.();
    leaves[1]?.();
    leaves[0]?.();
    leaves[0]?.();
    expect(fixture.unused).toBe(0);
    expect(fixture.api.closes).toBe(0);
    leaves[2]?.();
    leaves[2]?.();
    expect(fixture.unused).toBe(1);
    expect(fixture.api.closes).toBe(1);
    expect(last(fixture.api.watches).signal.aborted).toBe(true);
    await fixture.clock.advance(600_000);
    expect(fixture.clock.pending).toBe(0);
  });

  test("counts a listener that is added twice twice", async () => {
    const fixture = new Fixture();
    const ear = new Ear();
    const leave = await fixture.running(ear);
    const leaveAgain = fixture.watch.add(ear);
    leave();
    last(fixture.api.watches).send(added(slice("slice-2")));
    expect(ear.log).toEqual(["[slice-1]", "[slice-1]", "[slice-1 slice-2]"]);
    expect(fixture.unused).toBe(0);
    leaveAgain();
    expect(fixture.unused).toBe(1);
  });

  test("tells a listener nothing after it left, also when it leaves while others are told", async () => {
    const fixture = new Fixture();
    const [first, second, third] = [new Ear(), new Ear(), new Ear()];
    const leaveFirst = await fixture.running(first);
    const leaveSecond = fixture.watch.add(second);
    onTestFinished(fixture.watch.add(third));
    first.onTold = () => {
      leaveFirst();
      leaveSecond();
    };
    last(fixture.api.watches).send(added(slice("slice-2")));
    last(fixture.api.watches).send(added(slice("slice-3")));
    expect(first.log).toEqual(["[slice-1]", "[slice-1 slice-2]"]);
    expect(second.log).toEqual(["[slice-1]"]);
    expect(third.log).toHaveLength(3);
  });

  test("tells a listener that is added while others are told once", async () => {
    const fixture = new Fixture();
    const [first, second] = [new Ear(), new Ear()];
    await fixture.running(first);
    first.onTold = () => {
      first.onTold = () => {};
      onTestFinished(fixture.watch.add(second));
    };
    last(fixture.api.watches).send(added(slice("slice-2")));
    expect(second.log).toEqual(["[slice-1 slice-2]"]);
  });

  test("hands hints on", async () => {
    const fixture = new Fixture();
    fixture.watch.hint();
    await fixture.running(new Ear());
    await fixture.clock.advance(2_000);
    fixture.watch.hint();
    await fixture.clock.advance(500);
    expect(fixture.api.log).toEqual(["list", "watch 10", "watch 10"]);
  });
});

describe("the Service itself", () => {
  const service = { spec: { ports: [{ name: "http", port: 80 }] } };

  async function answerTo(act: (request: AnyRequest) => void): Promise<ServiceAnswer> {
    const fixture = new Fixture();
    fixture.api.onRequest = act;
    const answer = fixture.watch.service();
    await fixture.clock.advance(10_000);
    expect(fixture.clock.pending).toBe(0);
    return await answer;
  }

  test("is found", async () => {
    expect(await answerTo((request) => request.kind === "service" && request.answer(service))).toEqual({
      kind: "found",
      service,
    });
  });

  test("is missing where the API server says so", async () => {
    expect(await answerTo((request) => request.fail(new ApiError(404, "not found (404)")))).toEqual({
      kind: "missing",
    });
  });

  test.each([
    new ApiError(403, 'cannot get resource "services" (403)'),
    new ApiError(500, "no (500)"),
    new Error("read ECONNRESET"),
  ])("is unknown where it cannot be read: %s", async (error) => {
    expect(await answerTo((request) => request.fail(error))).toEqual({ kind: "unknown", error });
  });

  test("is unknown when there is no answer within 5 s", async () => {
    const fixture = new Fixture();
    const answer = fixture.watch.service();
    await fixture.clock.advance(4_999);
    expect(last(fixture.api.services).signal.aborted).toBe(false);
    await fixture.clock.advance(1);
    expect(last(fixture.api.services).signal.aborted).toBe(true);
    expect(await answer).toMatchObject({ kind: "unknown", error: { message: "no answer within 5000 ms" } });
  });

  test("is asked for once in 30 s, by all", async () => {
    const fixture = new Fixture();
    fixture.api.onRequest = (request) => request.kind === "service" && request.answer(service);
    const first = fixture.watch.service();
    expect(fixture.watch.service()).toBe(first);
    await fixture.clock.advance(29_999);
    expect(fixture.watch.service()).toBe(first);
    expect(fixture.api.log).toEqual(["service"]);
    await fixture.clock.advance(1);
    expect(fixture.watch.service()).not.toBe(first);
    expect(fixture.api.log).toEqual(["service", "service"]);
    await fixture.clock.advance(0);
  });

  test("that is missing is asked for again the next time: it may be made at any moment", async () => {
    const fixture = new Fixture();
    fixture.api.onRequest = (request) => request.fail(new ApiError(404, "not found (404)"));
    const first = fixture.watch.service();
    expect(fixture.watch.service()).toBe(first);
    await first;
    fixture.api.onRequest = (request) => request.kind === "service" && request.answer(service);
    expect(await fixture.watch.service()).toEqual({ kind: "found", service });
    expect(fixture.api.log).toEqual(["service", "service"]);
  });

  test("is asked for no more when the last listener leaves", async () => {
    const fixture = new Fixture();
    const leave = await fixture.running(new Ear());
    const answer = fixture.watch.service();
    leave();
    expect(last(fixture.api.services).signal.aborted).toBe(true);
    expect(await answer).toMatchObject({ kind: "unknown" });
    await fixture.clock.advance(0);
    expect(fixture.clock.pending).toBe(0);
  });
});
