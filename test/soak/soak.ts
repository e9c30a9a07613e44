import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { startCluster } from "@evenkeel/testing";
import type { Call } from "./call.ts";
import { Census, type Sample } from "./census.ts";
import { Chaos, type ChaosCounts } from "./chaos.ts";
import { Faults } from "./faults.ts";
import { growthOf } from "./growth.ts";
import { expectationOf, judge, type Settled } from "./judge.ts";
import { Ledger } from "./ledger.ts";
import { Load } from "./load.ts";
import type { SoakOptions } from "./options.ts";
import { PodHistory } from "./pod-history.ts";
import { type Row, Tally, type Wire } from "./tally.ts";
import { createRoutes, type Route } from "./transports.ts";

const pods = 6;
const callers = 48;
/** Connections are retired at this age, ±10 %. */
const maxAgeMs = 4_000;
const progressMs = 10_000;
/** Quiet moments come at least so often, in seconds, and at least so many. */
const secondsPerSample = 25;
const leastSamples = 4;
/** How long a channel may hold what belongs to a call that has settled. */
const releaseMs = 500;
/** How long it may take until all pods are connected, and until all is gone that was closed. */
const settleMs = 10_000;

export interface SoakResult {
  readonly seed: number;
  readonly minutes: number;
  readonly elapsedMs: number;
  readonly ok: boolean;
  /** The promises that were broken. */
  readonly broken: ReturnType<Faults["list"]>;
  readonly calls: Readonly<Record<string, Row>>;
  readonly charges: number;
  /** The call that ended the longest time after its abort or deadline. */
  readonly latest: { readonly ms: number; readonly call: string };
  readonly longestTurnMs: number;
  readonly chaos: ChaosCounts;
  readonly wire: Wire;
  readonly samples: readonly Sample[];
}

/**
 * Runs the soak test on a cluster of its own, which is gone when the promise settles. `gc` collects all garbage; `say`
 * is told of the progress; `signal` ends the load early.
 */
export async function soak(
  options: SoakOptions,
  gc: () => unknown,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<SoakResult> {
  const folder = await mkdtemp(join(tmpdir(), "evenkeel-soak-"));
  try {
    return await new Soak(options, folder, new Census(gc), say, signal).run();
  } finally {
    await rm(folder, { recursive: true });
  }
}

class Soak {
  readonly #options: SoakOptions;
  readonly #folder: string;
  readonly #census: Census;
  readonly #say: (line: string) => void;
  readonly #signal: AbortSignal;
  readonly #startedAt = performance.now();
  readonly #faults = new Faults();
  readonly #history = new PodHistory();
  readonly #ledger = new Ledger();
  readonly #tally = new Tally();
  readonly #samples: Sample[] = [];
  readonly #turns = monitorEventLoopDelay();

  constructor(options: SoakOptions, folder: string, census: Census, say: (line: string) => void, signal: AbortSignal) {
    this.#options = options;
    this.#folder = folder;
    this.#census = census;
    this.#say = say;
    this.#signal = signal;
  }

  async run(): Promise<SoakResult> {
    const ends = [this.#watchProcess(), this.#tally.listen()];
    this.#turns.enable();
    try {
      const chaos = await this.#runCluster();
      for (const fault of await this.#ledger.compare(this.#folder)) this.#faults.add("charge", fault);
      return this.#result(chaos);
    } finally {
      this.#turns.disable();
      for (const end of ends) end();
    }
  }

  async #runCluster(): Promise<ChaosCounts> {
    await using cluster = await startCluster({
      pod: {
        module: new URL("./pod.ts", import.meta.url),
        env: { LEDGERS: this.#folder, MAX_AGE_MS: String(maxAgeMs) },
      },
      size: pods,
    });
    this.#history.watch(cluster, (fault) => this.#faults.add("pods", fault));
    const routes = createRoutes(cluster);
    const chaos = new Chaos(cluster, pods, this.#options.seed, (fault) => this.#faults.add("pods", fault));
    try {
      await this.#runLoad(routes, chaos);
    } finally {
      await this.#close(routes);
    }
    return chaos.counts;
  }

  async #runLoad(routes: readonly Route[], chaos: Chaos): Promise<void> {
    const load = new Load(routes, callers, this.#options.seed, {
      starting: (call) => this.#starting(call),
      settled: (call, error) => this.#settled(call, error),
      overdue: (call) => this.#overdue(call),
    });
    const progress = setInterval(() => this.#say(this.#progress(load)), progressMs);
    const totalMs = this.#options.minutes * 60_000;
    const count = Math.max(leastSamples, Math.floor(totalMs / 1_000 / secondsPerSample));
    try {
      for (let sample = 1; sample <= count && !this.#signal.aborted; sample++) {
        load.resume();
        chaos.resume();
        await this.#until(this.#startedAt + (totalMs * sample) / count);
        await this.#calm(routes, load, chaos);
        this.#samples.push(await this.#census.sample());
      }
    } finally {
      await Promise.allSettled([load.stop(), chaos.pause()]);
      clearInterval(progress);
    }
    if (this.#signal.aborted) return; // too few samples to compare
    for (const fault of growthOf(this.#samples, routes.length)) this.#faults.add("growth", fault);
  }

  /** Lets all calls settle and all pods be there: no channel may think that a call is under way, or lack a pod. */
  async #calm(routes: readonly Route[], load: Load, chaos: Chaos): Promise<void> {
    const channels = routes.filter(({ isShared }) => !isShared);
    const pauseLoad = async (): Promise<void> => {
      await load.pause();
      // soon, before connections are replaced, which would hide what they hold
      await this.#expectNone(() => channels.flatMap(heldBy), releaseMs);
    };
    await Promise.all([pauseLoad(), chaos.pause()]);
    await this.#expectNone(() => channels.flatMap(notReady), settleMs);
  }

  /** Waits at most `limitMs` until there are no such faults. */
  async #expectNone(find: () => readonly string[], limitMs: number): Promise<void> {
    const endsAt = performance.now() + limitMs;
    let faults = find();
    while (faults.length > 0 && performance.now() < endsAt) {
      await sleep(20);
      faults = find();
    }
    for (const fault of faults) this.#faults.add("at rest", fault);
  }

  async #close(routes: readonly Route[]): Promise<void> {
    for (const { name, transport } of routes) {
      const late = new AbortController();
      const limit = sleep(settleMs, true, { signal: late.signal }).catch(() => false);
      const isLate = await Promise.race([transport.close().then(() => false), limit]);
      late.abort();
      if (!isLate) continue;
      this.#faults.add("close", `the transport "${name}" did not close within ${settleMs} ms`);
      transport.destroy();
    }
    for (const leak of await this.#census.untilEmpty(settleMs)) this.#faults.add("left open", leak);
  }

  #starting({ id, plan }: Call): void {
    if (plan.kind === "charge") this.#ledger.expect(id, "atMostOnce");
  }

  #settled(call: Call, error: unknown): void {
    const { id, plan, route, startedAt, abortedAt, bytesTaken } = call;
    const { pingTimeoutMs } = route;
    const settledAt = performance.now();
    const settled: Settled = { plan, startedAt, settledAt, abortedAt, bytesTaken, pingTimeoutMs, error };
    const verdict = judge(settled, this.#history);
    this.#tally.calls[plan.kind][verdict.kind]++;
    if (verdict.kind === "violation") this.#faults.add(`${plan.kind} (${route.name})`, verdict.what, describe(call));
    if (plan.kind === "charge") this.#ledger.expect(id, expectationOf(settled, verdict));
    if (plan.callerDelayMs > 0) return; // the caller itself may be late
    const dueAt = Math.min(startedAt + (plan.timeoutMs ?? Number.POSITIVE_INFINITY), abortedAt ?? settledAt);
    const ms = settledAt - dueAt;
    if (ms > this.#tally.latest.ms) this.#tally.latest = { ms, call: `${route.name}, ${describe(call)}` };
  }

  #overdue(call: Call): void {
    const { plan, route } = call;
    this.#tally.calls[plan.kind].overdue++;
    this.#faults.add(`${plan.kind} (${route.name})`, "not settled", describe(call));
  }

  /** What no caller is told of. Returns what ends that. */
  #watchProcess(): () => void {
    const onError = (error: unknown): void => {
      this.#faults.add("uncaught", error instanceof Error ? (error.stack ?? error.message) : String(error));
    };
    const onWarning = (warning: Error): void => this.#faults.add("warning", `${warning.name}: ${warning.message}`);
    process.on("uncaughtException", onError).on("unhandledRejection", onError).on("warning", onWarning);
    return () => {
      process.off("uncaughtException", onError).off("unhandledRejection", onError).off("warning", onWarning);
    };
  }

  async #until(ms: number): Promise<void> {
    await sleep(Math.max(0, ms - performance.now()), undefined, { signal: this.#signal }).catch(() => {});
  }

  #progress({ calls, live }: Load): string {
    const seconds = Math.round((performance.now() - this.#startedAt) / 1_000);
    const broken = `${this.#faults.count} promises broken`;
    return `${seconds} s: ${calls} calls, ${live} under way, ${this.#tally.total("ambiguous")} ambiguous, ${broken}`;
  }

  #result(chaos: ChaosCounts): SoakResult {
    return {
      seed: this.#options.seed,
      minutes: this.#options.minutes,
      elapsedMs: performance.now() - this.#startedAt,
      ok: this.#faults.count === 0,
      broken: this.#faults.list(),
      calls: this.#tally.calls,
      charges: this.#ledger.charges,
      latest: this.#tally.latest,
      longestTurnMs: this.#turns.max / 1e6,
      chaos,
      wire: this.#tally.wire,
      samples: this.#samples,
    };
  }
}

function describe({ id, plan, startedAt, abortedAt, bytesTaken }: Call): string {
  const since = (ms: number): string => `${Math.round(ms - startedAt)} ms`;
  const aborted = abortedAt === undefined ? "" : `, aborted after ${since(abortedAt)}`;
  const taken = plan.kind === "collect" || plan.kind === "chat" ? `, ${bytesTaken} bytes taken` : "";
  return `call ${id}, settled or given up after ${since(performance.now())}${aborted}${taken}: ${JSON.stringify(plan)}`;
}

function heldBy({ name, transport }: Route): readonly string[] {
  const { queued, endpoints, draining } = transport.channel.snapshot();
  const connections = [...endpoints.flatMap(({ connection }) => connection ?? []), ...draining];
  const held = connections.filter(({ inFlight }) => inFlight !== 0);
  return [
    ...(queued === 0 ? [] : [`"${name}" has ${queued} calls in its queue`]),
    ...held.map(({ label, inFlight }) => `"${name}" has ${inFlight} calls in flight on ${label}`),
  ];
}

function notReady({ name, transport }: Route): readonly string[] {
  const endpoints = transport.channel.snapshot().endpoints.filter(({ state }) => state !== "ready");
  return endpoints.map(({ key, state, lastError }) => `"${name}" has ${key} ${state}: ${lastError}`);
}
