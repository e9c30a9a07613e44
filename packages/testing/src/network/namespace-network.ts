import { setTimeout as sleep } from "node:timers/promises";
import type { Address } from "@evenkeel/core";
import type { LaggingTimes } from "../cluster/options.ts";
import { findPrograms, thisMachine } from "./machine.ts";
import { Namespace } from "./namespace.ts";
import type { PodCommand, PodNetwork } from "./pod-network.ts";
import { type Stage, stageChange } from "./stages.ts";

/** Nobody else is in the namespace: every port is free. */
const defaultPort = 8_080;

/** Pods in a namespace, whose addresses fade after their end: see `LaggingNetwork` of the options. */
export class NamespaceNetwork implements PodNetwork {
  readonly port: number;
  readonly #namespace: Namespace;
  readonly #times: LaggingTimes;
  readonly #hosts: Iterator<string>;
  readonly #stages = new Map<string, { readonly stage: Stage; readonly done: Promise<void> }>();
  readonly #closing = new AbortController();
  readonly #work = new Set<Promise<void>>();
  readonly #failures = new Set<unknown>();

  private constructor(namespace: Namespace, times: LaggingTimes, port: number) {
    this.#namespace = namespace;
    this.#times = times;
    this.#hosts = namespace.hosts[Symbol.iterator]();
    this.port = port;
  }

  /**
   * `onCleanup` is called before anything is made, with a shell command that removes it. Rejects with an `Error` that
   * says what the machine lacks.
   */
  static async open(
    times: LaggingTimes,
    port: number | undefined,
    onCleanup: (command: string) => void,
  ): Promise<NamespaceNetwork> {
    try {
      const namespace = await Namespace.open(await findPrograms(thisMachine()), onCleanup);
      return new NamespaceNetwork(namespace, times, port ?? defaultPort);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(`network: this machine cannot have one that lags, as canLag() tells: ${reason}`, {
        cause: error,
      });
    }
  }

  /** Addresses are not given out again: something of the last pod may still be under way to them. */
  take(): Address {
    const { done, value } = this.#hosts.next();
    if (done === true) throw new Error("every address of the cluster has been a pod's");
    return { host: value, port: this.port };
  }

  inside({ program, args }: PodCommand): PodCommand {
    return this.#namespace.command(program, args);
  }

  sever({ host }: Address): Promise<void> {
    return this.#track(this.#sever(host));
  }

  leave({ host }: Address): void {
    void this.#track(this.#fade(host));
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all(this.#work);
    await this.#namespace.close();
    const [failure] = this.#failures;
    if (failure !== undefined)
      throw new Error(`the network did not lag as it should have: ${failure}`, { cause: failure });
  }

  /** From here on nothing is heard of the process at `host`, and thus nothing of its end. */
  async #sever(host: string): Promise<void> {
    if (this.#times.resetMs === 0) {
      await this.#enter(host, "swallow");
    } else {
      await this.#enter(host, "reset");
      await this.#namespace.resetConnections(host);
    }
  }

  async #fade(host: string): Promise<void> {
    const { resetMs, refuseMs } = this.#times;
    // of a pod that was not severed, the kernel delivers the last words, and refuses what is new by itself
    if (this.#stages.has(host)) {
      await this.#wait(resetMs);
      if (refuseMs > 0) await this.#enter(host, "refuse");
    }
    await this.#wait(refuseMs);
    await this.#enter(host, "swallow");
  }

  async #enter(host: string, stage: Stage): Promise<void> {
    const before = this.#stages.get(host);
    if (before?.stage === stage || this.#closing.signal.aborted) return;
    const change = stageChange(host, before?.stage, stage);
    const done = Promise.resolve(before?.done).then(() => this.#namespace.changeRules(change));
    this.#stages.set(host, { stage, done });
    await done;
  }

  async #wait(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#closing.signal }).catch(() => {});
  }

  async #track(work: Promise<void>): Promise<void> {
    const settled = work.catch((error: unknown) => void this.#failures.add(error));
    this.#work.add(settled);
    await settled;
    this.#work.delete(settled);
  }
}
