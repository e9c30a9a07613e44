import { FakeClock, seededRandom } from "@evenkeel/testing";
import type { Endpoint } from "../src/endpoint/endpoint.ts";
import { StatusCode } from "../src/errors.ts";
import type { Policy } from "../src/policy/policy.ts";
import type { Random } from "../src/random.ts";
import { type LoadedCandidate, pick, policyContext } from "./candidates.ts";
import { pod } from "./endpoints.ts";

export interface ZonesOptions {
  /** Pods by zone. */
  readonly pods: Readonly<Record<string, number>>;
  /** Clients by zone. */
  readonly clients: Readonly<Record<string, number>>;
  /** Of each client; RPCs come independently of each other. */
  readonly rpcsPerSecond: number;
  /** RPCs that a pod works on at a time; the others wait. Default 4. */
  readonly workers?: number;
  /** Mean time of the work, which is exponentially distributed. Default 10. */
  readonly workMs?: number;
  /** From zone to zone and back. Default 1. */
  readonly crossingMs?: number;
  readonly policy: (zone: string) => Policy;
}

/** What was seen in one second. */
export interface Second {
  /** RPCs that pods got, by their keys. */
  readonly received: ReadonlyMap<string, number>;
  /** Share of RPCs that stayed in their zone, by zone of the client. */
  readonly localShare: ReadonlyMap<string, number>;
  /** Mean time of the RPCs that ended. */
  readonly meanMs: number;
}

/** Clients and pods in zones, in virtual time. */
export class Zones {
  readonly #options: ZonesOptions;
  readonly #clock = new FakeClock();
  readonly #random: Random = seededRandom(1);
  readonly #pods: SimulatedPod[];
  #received = new Map<string, number>();
  #sent = new Map<string, { local: number; all: number }>();
  #ended = { count: 0, totalMs: 0 };

  constructor(options: ZonesOptions) {
    this.#options = options;
    let number = 1;
    this.#pods = Object.entries(options.pods).flatMap(([zone, count]) =>
      Array.from({ length: count }, () => {
        const endpoint = pod(number++, { zone });
        return new SimulatedPod(endpoint, this.#clock, options.workers ?? 4);
      }),
    );
    for (const [zone, count] of Object.entries(options.clients)) {
      for (let client = 0; client < count; client++) this.#startClient(zone);
    }
  }

  /** Lets time pass. */
  run(seconds: number): Second[] {
    return Array.from({ length: seconds }, () => {
      this.#received = new Map(this.#pods.map(({ endpoint }) => [endpoint.key, 0]));
      this.#sent = new Map();
      this.#ended = { count: 0, totalMs: 0 };
      this.#clock.tick(1_000);
      return {
        received: this.#received,
        localShare: new Map([...this.#sent].map(([zone, { local, all }]) => [zone, local / all])),
        meanMs: this.#ended.totalMs / this.#ended.count,
      };
    });
  }

  #startClient(zone: string): void {
    const { policy, rpcsPerSecond, crossingMs = 1, workMs = 10 } = this.#options;
    const [first, ...rest] = this.#pods.map(({ endpoint }): LoadedCandidate => ({ endpoint, inFlight: 0 }));
    if (first === undefined) throw new Error("there are no pods");
    const podOf = new Map([first, ...rest].map((candidate, index) => [candidate, this.#pods[index]]));
    const context = policyContext({
      clock: this.#clock,
      random: seededRandom(Math.floor(this.#random() * 1e9)),
      endpoints: this.#pods.map(({ endpoint }) => endpoint),
    });
    const picker = policy(zone)(undefined, [first, ...rest], context);
    const call = () => {
      const startedAt = this.#clock.now();
      const candidate = pick(picker);
      this.#count(zone, candidate.endpoint);
      candidate.inFlight++;
      const networkMs = candidate.endpoint.zone === zone ? 0.2 : crossingMs;
      podOf.get(candidate)?.serve(exponential(this.#random, workMs), () => {
        const durationMs = this.#clock.now() - startedAt + networkMs;
        candidate.inFlight--;
        this.#ended.count++;
        this.#ended.totalMs += durationMs;
        picker.report?.(candidate, { code: StatusCode.ok, fate: "answered", firstByteMs: durationMs, durationMs });
      });
    };
    const next = () => {
      this.#clock.setTimeout(
        () => {
          call();
          next();
        },
        exponential(this.#random, 1_000 / rpcsPerSecond),
      );
    };
    next();
  }

  #count(zone: string, endpoint: Endpoint): void {
    const sent = this.#sent.get(zone) ?? { local: 0, all: 0 };
    sent.all++;
    if (endpoint.zone === zone) sent.local++;
    this.#sent.set(zone, sent);
    this.#received.set(endpoint.key, (this.#received.get(endpoint.key) ?? 0) + 1);
  }
}

/** Serves in the order of arrival. */
class SimulatedPod {
  readonly endpoint: Endpoint;
  readonly #clock: FakeClock;
  readonly #waiting: { readonly workMs: number; readonly done: () => void }[] = [];
  #idle: number;

  constructor(endpoint: Endpoint, clock: FakeClock, workers: number) {
    this.endpoint = endpoint;
    this.#clock = clock;
    this.#idle = workers;
  }

  serve(workMs: number, done: () => void): void {
    this.#waiting.push({ workMs, done });
    this.#start();
  }

  #start(): void {
    if (this.#idle === 0) return;
    const next = this.#waiting.shift();
    if (next === undefined) return;
    this.#idle--;
    this.#clock.setTimeout(() => {
      this.#idle++;
      next.done();
      this.#start();
    }, next.workMs);
  }
}

function exponential(random: Random, mean: number): number {
  return -mean * Math.log(1 - random());
}
