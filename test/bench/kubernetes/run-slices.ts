import {
  type Channel,
  type Connector,
  createChannel,
  type Policy,
  parseTarget,
  roundRobin,
  subscribe,
} from "@evenkeel/core";
import { createHttp2Connector } from "@evenkeel/http2";
import { apiServerAt, kubernetes } from "@evenkeel/kubernetes";
import { Child } from "../child.ts";
import { median, quantile } from "../statistics.ts";
import type { SliceCase } from "./cases.ts";
import type { ApiJob, ApiReady } from "./messages.ts";

const program = new URL("./api.ts", import.meta.url);
const patienceMs = 30_000;

/** Milliseconds. */
export interface SliceResult {
  readonly case: SliceCase;
  /** From the start of the channel until its connections are being made, of each round; the first is cold. */
  readonly initialSyncMs: readonly number[];
  /** From the change of a slice until the resolver has told of it. */
  readonly toResolverMs: Spread;
  /** Until the policy was given the set without the endpoint that is not ready any more. */
  readonly removedToPickMs: Spread;
  /** Until the policy was given the set with the endpoint that is ready again: it is dialled in between. */
  readonly addedToPickMs: Spread;
  readonly dialsAtOnce: number;
}

export interface Spread {
  readonly p50: number;
  readonly p99: number;
}

/** Rejects with an `Error` when something takes longer than 30 s. */
export async function runSliceCase(each: SliceCase, rounds: number): Promise<SliceResult> {
  const job: ApiJob = { endpoints: each.endpoints, slices: each.slices };
  const { child, ready } = await Child.start(each.name, program, job);
  const toResolver: number[] = [];
  const removed: number[] = [];
  const added: number[] = [];
  const initialSyncMs: number[] = [];
  let dialsAtOnce = 0;
  try {
    for (let round = 0; round < rounds; round++) {
      const client = new SliceClient(ready as ApiReady);
      initialSyncMs.push(await client.sync(each.endpoints));
      for (let update = 0; update < each.updates; update++) {
        const isReady = update % 2 === 1;
        const told = client.untilTold();
        const picked = client.untilPicked(each.endpoints - (isReady ? 0 : 1));
        const { at } = await child.ask({ ready: isReady }, "changed");
        toResolver.push(msBetween(at, await told));
        (isReady ? added : removed).push(msBetween(at, await picked));
      }
      dialsAtOnce = Math.max(dialsAtOnce, client.dialsAtOnce);
      await client.close();
    }
  } finally {
    await child.close();
  }
  return {
    case: each,
    initialSyncMs,
    toResolverMs: spreadOf(toResolver),
    removedToPickMs: spreadOf(removed),
    addedToPickMs: spreadOf(added),
    dialsAtOnce,
  };
}

/** A channel that notes what it learns, and when. */
class SliceClient {
  readonly #channel: Channel;
  readonly #unsubscribe: () => void;
  #dialling = 0;
  #dialsAtOnce = 0;
  #told = Promise.withResolvers<bigint>();
  #size = 0;
  #awaited: { readonly size: number; readonly reached: PromiseWithResolvers<bigint> } | undefined;

  constructor({ port, url, token, ca }: ApiReady) {
    const target = `http://orders.shop.svc.cluster.local:${port}`;
    this.#channel = createChannel({
      target,
      connector: this.#counting(createHttp2Connector({ target: parseTarget(target) })),
      resolver: kubernetes({ apiServer: apiServerAt(url, { token, ca }) }),
      policy: this.#noting(roundRobin()),
    });
    this.#unsubscribe = subscribe("resolver.update", ({ update }) => {
      if (update.kind === "endpoints") this.#told.resolve(process.hrtime.bigint());
    });
  }

  get dialsAtOnce(): number {
    return this.#dialsAtOnce;
  }

  /** Starts the channel. Resolves to how long it took to learn the set, once everything is connected. */
  async sync(endpoints: number): Promise<number> {
    const told = this.untilTold();
    const connected = this.untilPicked(endpoints);
    const startedAt = process.hrtime.bigint();
    this.#channel.connect();
    await told;
    const syncedMs = msBetween(startedAt, process.hrtime.bigint()); // with all that the channel did at once
    await connected;
    return syncedMs;
  }

  /** Resolves to when the resolver tells of a set next. */
  untilTold(): Promise<bigint> {
    this.#told = Promise.withResolvers();
    return orLate(this.#told.promise, "the resolver said nothing");
  }

  /** Resolves to when the policy has so many connections. */
  untilPicked(size: number): Promise<bigint> {
    const reached = Promise.withResolvers<bigint>();
    this.#awaited = { size, reached };
    this.#look();
    return orLate(reached.promise, `the policy has not got ${size} connections, but ${this.#size}`);
  }

  async close(): Promise<void> {
    this.#unsubscribe();
    await this.#channel.close();
  }

  #look(): void {
    if (this.#awaited?.size === this.#size) this.#awaited.reached.resolve(process.hrtime.bigint());
  }

  #noting(policy: Policy): Policy {
    return (previous, candidates, context) => {
      const picker = policy(previous, candidates, context);
      this.#size = candidates.length;
      this.#look();
      return picker;
    };
  }

  #counting(connector: Connector): Connector {
    return {
      connect: (endpoint, listener) => {
        this.#dialsAtOnce = Math.max(this.#dialsAtOnce, ++this.#dialling);
        let isDialling = true;
        const dialled = (): void => {
          if (isDialling) this.#dialling--;
          isDialling = false;
        };
        return connector.connect(endpoint, {
          ...listener,
          ready: () => {
            dialled();
            listener.ready();
          },
          closed: (end) => {
            dialled();
            listener.closed(end);
          },
        });
      },
    };
  }
}

function msBetween(from: string | bigint, to: bigint): number {
  return Number(to - BigInt(from)) / 1e6;
}

function spreadOf(values: readonly number[]): Spread {
  return {
    p50: median(values),
    p99: quantile(
      values.toSorted((a, b) => a - b),
      0.99,
    ),
  };
}

async function orLate(promise: Promise<bigint>, what: string): Promise<bigint> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`${what} within ${patienceMs / 1_000} s`)), patienceMs);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
