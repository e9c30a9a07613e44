import { createChannel, createEndpoint, type PickHandler, type RequestHead } from "@evenkeel/core";
import {
  FakeClock,
  type ScriptedConnection,
  ScriptedConnector,
  type ScriptedStream,
  seededRandom,
} from "@evenkeel/testing";
import { expect, it, onTestFinished, vi } from "vitest";
import { end, passTime, say } from "../../test-helpers/checked.ts";
import { healthChecking } from "./health-checking.ts";
import type { HealthCheck } from "./options.ts";

const head: RequestHead = { method: "POST", path: "/demo.v1.Demo/Call", headers: [], endStream: true };

/** A channel to three pods, whatever they do; says what must never be. */
class World {
  readonly clock = new FakeClock();
  readonly scripted = new ScriptedConnector();
  readonly random: () => number;
  readonly channel: ReturnType<typeof createChannel>;
  /** Whether what was last said on a watch, or to a question, is that the peer is well. */
  readonly said = new WeakMap<ScriptedStream, boolean>();
  rpcs = 0;
  settled = 0;
  picked = 0;

  constructor(seed: number, check: HealthCheck) {
    this.random = seededRandom(seed);
    const target = "http://orders:8080";
    const { clock, random } = this;
    this.channel = createChannel({
      target,
      connector: healthChecking(this.scripted, check, { target, clock, random }),
      resolver: (_target, listener) => {
        const endpoints = [1, 2, 3].map((n) => createEndpoint({ key: `pod-${n}`, host: `10.0.0.${n}`, port: 80 }));
        listener({ kind: "endpoints", endpoints });
        return { resolveNow() {}, close() {} };
      },
      clock,
      random,
    });
    this.channel.connect();
  }

  one<T>(items: readonly T[]): T | undefined {
    return items[Math.floor(this.random() * items.length)];
  }

  /** The stream in the background that is open on a connection. */
  question(connection: ScriptedConnection): ScriptedStream | undefined {
    const open = connection.streams.filter((stream) => stream.head.background === true && stream.result === undefined);
    expect(open.length).toBeLessThanOrEqual(1);
    return open[0];
  }

  rpc(): void {
    this.rpcs++;
    const handler: PickHandler = {
      picked: (connection) => {
        this.settled++;
        this.picked++;
        expect(connection.health?.state).toBe("healthy");
        connection.open(head, { headers() {}, data() {}, drained() {}, trailers() {}, closed() {} });
      },
      failed: () => {
        this.settled++;
        const { endpoints, state: channelState } = this.channel.snapshot();
        if (channelState === "shutdown") return;
        expect(endpoints.filter(({ state }) => state === "ready")).toEqual([]);
      },
    };
    this.channel.pick({ path: head.path }, handler);
  }

  /** What holds at every moment. */
  look(): void {
    for (const connection of this.scripted.connections) {
      const question = this.question(connection);
      if (connection.state !== "ready" || connection.draining) expect(question).toBeUndefined();
    }
    const { endpoints, state } = this.channel.snapshot();
    for (const { state: member, connection } of endpoints) {
      if (connection?.health === undefined) continue;
      expect(member === "ready").toBe(connection.health.state === "healthy");
      const scripted = this.scripted.connections.find(({ label }) => label === connection.label);
      const question = scripted === undefined ? undefined : this.question(scripted);
      const said = question === undefined ? undefined : this.said.get(question);
      if (said !== undefined) expect(connection.health.state).toBe(said ? "healthy" : "unhealthy");
    }
    if (state === "connecting") return; // perhaps for more than the first to become ready
    expect(state === "ready").toBe(endpoints.some((endpoint) => endpoint.state === "ready"));
  }

  /** One thing that happens to one connection. */
  async step(answer: (question: ScriptedStream) => void): Promise<void> {
    const connection = this.one(this.scripted.open);
    const draw = this.random();
    if (draw < 0.2) this.rpc();
    else if (draw < 0.4) await passTime(this.clock, this.random() * 3_000);
    else if (connection?.state === "connecting") {
      if (draw < 0.9) connection.becomeReady();
      else connection.refuse(new Error("refused"));
    } else if (connection !== undefined) {
      const question = this.question(connection);
      const rpc = this.one(connection.streams.filter(({ result, head }) => result === undefined && !head.background));
      if (draw < 0.75 && question !== undefined) answer(question);
      else if (draw < 0.85 && rpc !== undefined) {
        rpc.respond();
        rpc.complete();
      } else if (draw > 0.98) connection.lose(new Error("ECONNRESET"));
      else if (draw > 0.96 && !connection.draining) connection.sendGoaway();
      else if (draw > 0.93 && !connection.draining) connection.changeSuspect(!connection.suspect);
    }
    if (this.random() < 0.5) await this.clock.advance(0);
  }
}

const checks: Readonly<Record<string, readonly [HealthCheck, (world: World) => (question: ScriptedStream) => void]>> = {
  watch: [
    { service: "a" },
    (world) => (question) => {
      const draw = world.random();
      const isNew = question.written.length > 0 && !started.has(question);
      started.add(question);
      if (draw < 0.7) {
        const status = world.one([0, 1, 1, 1, 2, 3]) ?? 0;
        world.said.set(question, status === 1);
        say(question, status);
      } else if (draw < 0.8) end(question, world.one([0, 0, 2, 14, 14, 12]) ?? 0);
      else if (draw < 0.9) question.break({ fate: "ambiguous", error: new Error("reset") });
      else if (isNew) question.sendHeaders(world.one([200, 404, 503]) ?? 0, []);
    },
  ],
  poll: [
    { path: "/readyz", intervalMs: 500 },
    (world) => (question) => {
      const draw = world.random();
      if (world.said.has(question)) question.complete();
      else if (draw < 0.8) {
        const status = world.one([200, 200, 200, 204, 503]) ?? 0;
        world.said.set(question, status < 300);
        question.respond({ status, body: [Buffer.alloc(9)] });
        if (world.random() < 0.8 && question.result === undefined) question.complete();
      } else question.break({ fate: "ambiguous", error: new Error("reset") });
    },
  ],
};

const started = new WeakSet<ScriptedStream>();

it.each(Object.keys(checks))("only healthy connections are picked, and nothing is left behind: %s", async (kind) => {
  const emitWarning = vi.spyOn(process, "emitWarning").mockReturnValue();
  onTestFinished(() => emitWarning.mockRestore());
  const [check, answerOf] = checks[kind] ?? [{ service: "" }, () => () => {}];
  let picked = 0;
  for (let seed = 1; seed <= 25; seed++) {
    const world = new World(seed, check);
    const answer = answerOf(world);
    for (let step = 0; step < 150; step++) {
      await world.step(answer);
      world.look();
    }
    picked += world.picked;
    world.channel.destroy();
    await passTime(world.clock, 60_000);
    expect(world.scripted.open).toEqual([]);
    expect(world.clock.pending).toBe(0);
    expect(world.settled).toBe(world.rpcs);
  }
  expect(picked).toBeGreaterThan(200);
});
