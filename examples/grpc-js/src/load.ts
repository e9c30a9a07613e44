import { setTimeout as sleep } from "node:timers/promises";

/** A client of the orders, whatever it is made with. */
export interface OrderClient {
  /** Resolves to the pod that answered. */
  getOrder(id: string): Promise<string>;
  close(): unknown;
}

const callers = 4;
const periodMs = 20;

/** RPCs of a few callers at a time, one after another each, until `stop`. */
export class Load {
  readonly failures: string[] = [];
  total = 0;
  readonly #client: OrderClient;
  readonly #limitMs: number;
  readonly #done: Promise<unknown>;
  #answers = new Map<string, number>();
  #stopped = false;

  constructor(client: OrderClient, limitMs = 10_000) {
    this.#client = client;
    this.#limitMs = limitMs;
    this.#done = Promise.all(Array.from({ length: callers }, () => this.#call()));
  }

  /**
   * Waits until every one of `pods` has answered, and then for `rpcs` RPCs more: how many of these each pod answered.
   * Rejects with an `Error` when either takes longer than the limit.
   */
  async count(pods: readonly string[], rpcs: number): Promise<ReadonlyMap<string, number>> {
    this.#answers = new Map();
    const silent = (): readonly string[] => pods.filter((pod) => !this.#answers.has(pod));
    await this.#until(
      () => silent().length === 0,
      () => `${silent().join(", ")}: no RPC`,
    );
    this.#answers = new Map();
    const sum = (): number => [...this.#answers.values()].reduce((total, count) => total + count, 0);
    await this.#until(
      () => sum() >= rpcs,
      () => `${sum()} of ${rpcs} RPCs`,
    );
    return new Map([...this.#answers].sort());
  }

  /** Resolves when the RPCs under way are over, and the client is closed. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#done;
    await this.#client.close();
  }

  async #call(): Promise<void> {
    while (!this.#stopped) {
      this.total++;
      try {
        const pod = await this.#client.getOrder(`order-${this.total}`);
        this.#answers.set(pod, (this.#answers.get(pod) ?? 0) + 1);
      } catch (error) {
        this.failures.push(String(error));
        await sleep(periodMs);
      }
    }
  }

  async #until(condition: () => boolean, lack: () => string): Promise<void> {
    const endsAt = performance.now() + this.#limitMs;
    while (!condition()) {
      if (performance.now() >= endsAt) throw new Error(`${lack()} in ${this.#limitMs} ms`);
      await sleep(periodMs);
    }
  }
}
