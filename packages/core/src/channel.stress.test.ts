import { type ScriptedConnection, seededRandom } from "@evenkeel/testing";
import { describe, expect, test } from "vitest";
import { type ChannelHarness, channelHarness } from "../test-helpers/channel.ts";
import { pod, sample } from "../test-helpers/endpoints.ts";
import { Rpc } from "../test-helpers/rpc.ts";
import { type Endpoint, usableEndpoints } from "./endpoint/endpoint.ts";
import { subscribe } from "./events.ts";
import { roundRobin } from "./policy/round-robin.ts";
import { type Random, randomInt } from "./random.ts";

const steps = 400;
const rounds = 60;
const idleTimeoutMs = 60_000;

/** One channel with everything that can happen to it happening in random order. */
class Interleaving {
  readonly #random: Random;
  readonly #harness: ChannelHarness;
  readonly #universe: number;
  readonly #waitForReady: boolean;
  readonly #maxConnections: number;
  /** Those that wait, or whose stream is open. */
  readonly #rpcs = new Map<Rpc, AbortController>();
  readonly #past: Rpc[] = [];
  readonly #actions: readonly (readonly [weight: number, action: () => void])[];
  readonly #totalWeight: number;
  #usable: readonly Endpoint[] | undefined;
  started = 0;
  served = 0;
  failed = 0;

  constructor(random: Random) {
    this.#random = random;
    this.#waitForReady = this.#chance(0.2);
    this.#universe = this.#chance(0.15) ? 80 : 8;
    this.#maxConnections = this.#chance(0.3) ? 3 : 1;
    this.#harness = channelHarness({
      random,
      idleTimeoutMs,
      waitForReady: this.#waitForReady,
      ...(this.#waitForReady ? {} : { queueTimeoutMs: 4_000 }),
      drainTimeoutMs: 3_000,
      maxConnectionsPerEndpoint: this.#maxConnections,
      ...(this.#chance(0.5) ? { policy: roundRobin() } : {}),
    });
    this.#harness.resolver.onHint = () => {
      if (this.#chance(0.1)) this.#resolve();
    };
    this.#actions = [
      [4, () => this.#resolve()],
      [30, () => this.#startRpc()],
      [12, () => this.#finishRpc()],
      [4, () => this.#abortRpc()],
      [20, () => this.#withConnection("connecting", (connection) => connection.becomeReady(this.#settings()))],
      [5, () => this.#withConnection("connecting", (connection) => connection.refuse(new Error("refused")))],
      [3, () => this.#withConnection("ready", (connection) => connection.lose(new Error("lost")))],
      [2, () => this.#withConnection("ready", (connection) => connection.hangUp())],
      [3, () => this.#withConnection("ready", (connection) => this.#goaway(connection))],
      [4, () => this.#withConnection("ready", (connection) => connection.changeMaxStreams(randomInt(random, 4)))],
      [12, () => this.#harness.clock.tick(random() * 900)],
      [2, () => this.#harness.clock.tick(random() * 12_000)],
      [0.5, () => this.#rest()],
      [2, () => this.#harness.channel.resolveNow()],
      [2, () => this.#harness.channel.connect()],
    ];
    this.#totalWeight = this.#actions.reduce((total, [weight]) => total + weight, 0);
  }

  step(): void {
    let at = this.#random() * this.#totalWeight;
    for (const [weight, action] of this.#actions) {
      at -= weight;
      if (at >= 0) continue;
      action();
      break;
    }
    this.#check();
  }

  /** Ends the channel in one of its ways, and checks that nothing is left. */
  async end(): Promise<void> {
    const { channel, clock, connector } = this.#harness;
    if (this.#chance(0.5)) {
      const closed = channel.close();
      this.#check();
      if (this.#chance(0.5)) {
        while (this.#openRpcs().length > 0 && this.#chance(0.8)) this.#finishRpc();
      }
      if (this.#chance(0.2)) channel.destroy();
      await clock.advance(3_000);
      await closed;
    } else if (this.#chance(0.2)) {
      const unsubscribe = subscribe("connection.closed", () => channel.destroy());
      for (let step = 0; step < 50; step++) this.step();
      unsubscribe();
      channel.destroy();
    } else {
      channel.destroy();
    }
    this.#check();
    assert(this.#rpcs.size === 0, `${this.#rpcs.size} RPCs wait, or have a stream`);
    for (const { settled } of this.#past) assert(settled === 1, `an RPC was settled ${settled} times`);
    assert(connector.open.length === 0, `${connector.open.length} connections are open`);
    assert(clock.pending === 0, `${clock.pending} timers are pending`);
  }

  #check(): void {
    const { channel, clock, connector } = this.#harness;
    const snapshot = channel.snapshot();
    const open = connector.open;
    const connecting = open.filter(({ state }) => state === "connecting");
    const ready = open.filter(({ state, draining }) => state === "ready" && !draining);
    const roomy = ready.filter(({ inFlight, maxStreams }) => inFlight < maxStreams);

    let waiting = 0;
    for (const rpc of this.#rpcs.keys()) {
      if (rpc.settled === 0) waiting++;
      else if (rpc.connection === undefined || rpc.end !== undefined) {
        this.#rpcs.delete(rpc);
        this.#past.push(rpc);
      }
    }
    assert(snapshot.queued === waiting, `${waiting} RPCs wait, the snapshot says ${snapshot.queued}`);
    const isHeld = snapshot.state === "connecting"; // for more than the first to become ready
    assert(roomy.length === 0 || waiting === 0 || isHeld, `${waiting} RPCs wait while ${roomy[0]?.label} has room`);
    const closing = snapshot.state === "shutdown" ? 1 : 0; // who awaits the close
    assert(
      clock.pendingRef <= waiting + closing && clock.pendingRef >= waiting,
      `${clock.pendingRef} timers keep the process alive, ${waiting} RPCs wait`,
    );
    assert(
      waiting === 0 || this.#waitForReady || snapshot.state !== "transientFailure",
      "an RPC waits though every connection failed",
    );
    assert(connecting.length <= 32, `${connecting.length} dials are under way`);

    // of each endpoint at most so many connections are made or used, and only of endpoints of the set
    const current = [...connecting, ...ready];
    const keys = new Set(current.map(({ endpoint }) => endpoint.key));
    for (const key of keys) {
      const count = current.filter(({ endpoint }) => endpoint.key === key).length;
      assert(count <= this.#maxConnections, `${key} has ${count} connections`);
    }
    const wanted = snapshot.endpoints.map(({ key }) => key).sort();
    const usable = snapshot.state === "idle" || snapshot.state === "shutdown" ? [] : (this.#usable ?? []);
    assert(
      JSON.stringify(wanted) === JSON.stringify([...new Set(usable.map(({ key }) => key))].sort()),
      `the set is ${usable.map(({ key }) => key)}, the channel's is ${wanted}`,
    );
    for (const key of keys) assert(wanted.includes(key), `${key} is not in the set`);

    const shown = snapshot.endpoints.flatMap(({ connection, furtherConnections = [] }) =>
      connection === undefined ? [] : [connection, ...furtherConnections],
    );
    assert(shown.length === ready.length, `${ready.length} connections are ready, the snapshot shows ${shown.length}`);
    const byLabel = new Map(open.map((connection) => [connection.label, connection]));
    const streams = new Map<string, number>();
    for (const { connection } of this.#openRpcs()) {
      if (connection !== undefined) streams.set(connection.label, (streams.get(connection.label) ?? 0) + 1);
    }
    for (const { label, inFlight } of [...shown, ...snapshot.draining]) {
      assert(byLabel.has(label), `${label} is shown, and has ended`);
      assert(inFlight === (streams.get(label) ?? 0), `${label}: ${inFlight} in flight, ${streams.get(label)} streams`);
      streams.delete(label);
    }
    assert(streams.size === 0, `streams on connections that are not shown: ${[...streams.keys()]}`);
    for (const { endpoint, label, rejected } of open) {
      assert(rejected.length === 0, `${label} was picked and could take no stream`);
      assert(!keys.has(endpoint.key) || wanted.includes(endpoint.key), `${endpoint.key} is not wanted`);
    }
  }

  #startRpc(nested = false): void {
    const { channel, connector } = this.#harness;
    const hasRoom = connector.open.some(
      ({ state, draining, inFlight, maxStreams }) => state === "ready" && !draining && inFlight < maxStreams,
    );
    const rpc = new Rpc((settled) => {
      if (settled.connection === undefined) this.failed++;
      else this.served++;
      // comes back in the middle of whatever settled it
      if (this.#chance(0.05)) this.#startRpc(true);
      if (this.#chance(0.05)) this.#abortRpc();
    });
    const abort = new AbortController();
    this.#rpcs.set(rpc, abort);
    this.started++;
    const wasClosed = channel.state === "shutdown";
    channel.pick({ path: "/demo.v1.Demo/Call" }, rpc, abort.signal);
    if (nested) return;
    if (wasClosed) assert(rpc.error !== undefined, "a closed channel took an RPC");
    else if (channel.state !== "connecting") {
      assert(hasRoom === (rpc.connection !== undefined), `room: ${hasRoom}, but ${rpc.outcome}`);
    }
  }

  #openRpcs(): Rpc[] {
    return [...this.#rpcs.keys()].filter(({ connection, end }) => connection !== undefined && end === undefined);
  }

  #finishRpc(): void {
    const open = this.#harness.connector.open.flatMap(({ streams }) =>
      streams.filter(({ result }) => result === undefined),
    );
    if (open.length === 0) return;
    const stream = sample(this.#random, open);
    if (this.#chance(0.7)) {
      stream.respond();
      stream.complete();
    } else stream.break({ fate: "ambiguous", errorCode: 8, error: new Error("reset") });
  }

  #abortRpc(): void {
    if (this.#rpcs.size === 0) return;
    const [rpc, abort] = sample(this.#random, [...this.#rpcs].slice(-20));
    if (rpc.settled === 0) abort.abort(new Error("aborted"));
    else rpc.stream?.cancel(new Error("aborted"));
  }

  #resolve(): void {
    const { channel, resolver } = this.#harness;
    if (channel.state === "idle" || channel.state === "shutdown") return;
    if (this.#chance(0.1)) {
      resolver.error("the resolver failed");
      return;
    }
    if (this.#chance(0.03)) {
      this.#usable = [];
      resolver.notFound("no such Service");
      return;
    }
    const endpoints = Array.from({ length: this.#universe }, (_, index) => this.#endpoint(index + 1));
    const share = sample(this.#random, [0, 0.2, 0.8, 1]);
    const set = endpoints.filter(() => this.#chance(share));
    this.#usable = usableEndpoints(set);
    resolver.endpoints(set);
  }

  #endpoint(number: number): Endpoint {
    if (this.#chance(0.05)) return pod(number, { host: `10.1.0.${number}` });
    if (this.#chance(0.05)) return pod(number, { weight: 2 });
    if (this.#chance(0.1)) return pod(number, { ready: false, serving: true, terminating: true });
    if (this.#chance(0.05)) return pod(number, { ready: false, serving: false });
    return pod(number);
  }

  #goaway(connection: ScriptedConnection): void {
    const kind = this.#random();
    if (kind < 0.3) connection.sendGoaway({ errorCode: 11, debugData: "too_many_pings" });
    else if (kind < 0.6) connection.sendGoaway({ lastStreamId: 2 ** 31 - 1 });
    else connection.sendGoaway({ lastStreamId: Math.max(0, 2 * randomInt(this.#random, 5) - 1) });
  }

  /** Ends what is under way, and lets the channel become idle. */
  #rest(): void {
    const { channel, clock, connector } = this.#harness;
    while (this.#openRpcs().length > 0) this.#finishRpc();
    for (const [rpc, abort] of this.#rpcs) if (rpc.settled === 0) abort.abort(new Error("aborted"));
    while (this.#openRpcs().length > 0) this.#finishRpc();
    if ([...this.#rpcs.keys()].some(({ settled }) => settled === 0)) return; // one that was started by the end of another
    if (channel.state === "idle" || channel.state === "shutdown") return;
    clock.tick(2 * idleTimeoutMs);
    const { state } = channel.snapshot();
    if (this.#openRpcs().length > 0 || state === "shutdown") return; // something came back
    assert(state === "idle", `the channel is ${state}`);
    assert(connector.open.length === 0 && clock.pending === 0, "an idle channel keeps connections or timers");
    this.#usable = undefined;
  }

  #withConnection(state: "connecting" | "ready", action: (connection: ScriptedConnection) => void): void {
    const some = this.#harness.connector.open.filter(
      (connection) =>
        connection.state === state && (state === "connecting" || !connection.draining || this.#chance(0.1)),
    );
    if (some.length === 0) return;
    try {
      action(sample(this.#random, some));
    } catch (error) {
      // a second GOAWAY must not have a higher last stream id: no peer does that
      if (!(error instanceof Error && error.message.includes("above that of the one before"))) throw error;
    }
  }

  #settings(): { maxStreams?: number } {
    return this.#chance(0.5) ? {} : { maxStreams: randomInt(this.#random, 4) };
  }

  #chance(probability: number): boolean {
    return this.#random() < probability;
  }
}

function assert(condition: boolean, message: string): void {
  if (!condition) throw new Error(message);
}

describe("whatever happens, and in whatever order", () => {
  test("RPCs are settled once, room is used, and nothing is left behind", async () => {
    const totals = { started: 0, served: 0, failed: 0 };
    for (let seed = 0; seed < rounds; seed++) {
      const interleaving = new Interleaving(seededRandom(seed));
      let step = 0;
      try {
        for (; step < steps; step++) interleaving.step();
        await interleaving.end();
      } catch (error) {
        throw new Error(`seed ${seed}, step ${step}: ${error instanceof Error ? error.message : error}`, {
          cause: error,
        });
      }
      totals.started += interleaving.started;
      totals.served += interleaving.served;
      totals.failed += interleaving.failed;
    }
    // the interleavings reach what they are there for
    expect(totals.started).toBe(totals.served + totals.failed);
    expect(totals.served).toBeGreaterThan(rounds * 20);
    expect(totals.failed).toBeGreaterThan(rounds * 10);
  }, 30_000);
});
