import type { NewPod } from "../result.ts";
import { RateWindow } from "./rate-window.ts";

/** What is counted of one pod. */
export class PodMetrics {
  readonly name: string;
  readonly recent = new RateWindow();
  answered = 0;
  /** When it became ready; before the load began for those that were there already. `undefined` while it is not. */
  readySince: number | undefined;
  #new: { readonly readyAt: number; firstAt?: number; fairAt?: number } | undefined;

  constructor(name: string, readySince: number | undefined) {
    this.name = name;
    this.readySince = readySince;
  }

  /** Whether it is still to be found out when it gets its fair share. */
  get awaitsFairShare(): boolean {
    return this.#new !== undefined && this.#new.fairAt === undefined;
  }

  /** It became ready during the load. */
  becameReady(at: number): void {
    this.readySince = at;
    this.#new = { readyAt: at };
  }

  answer(at: number): void {
    this.answered++;
    this.recent.add(at);
    if (this.#new !== undefined) this.#new.firstAt ??= at;
  }

  gotFairShare(at: number): void {
    if (this.#new !== undefined) this.#new.fairAt ??= at;
  }

  /** `undefined` unless it became ready during the load, which began at `startedAt`. */
  newPod(startedAt: number): NewPod | undefined {
    if (this.#new === undefined) return undefined;
    const { readyAt, firstAt, fairAt } = this.#new;
    return {
      readyAtMs: readyAt - startedAt,
      firstRpcMs: firstAt === undefined ? null : firstAt - readyAt,
      fairShareMs: fairAt === undefined ? null : fairAt - readyAt,
    };
  }
}
