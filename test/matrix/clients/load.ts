import { setTimeout as sleep } from "node:timers/promises";
import { workMs } from "../charge-key.ts";
import type { ClientJob, ClientReport, Loss } from "../messages.ts";
import type { Charge } from "./charge.ts";

/** Callers that make one charge after another, until as many have settled as are owed and `finish` was called. */
export class Load {
  readonly #charge: Charge;
  readonly #job: Pick<ClientJob, "concurrency" | "rpcs" | "firstKey">;
  readonly #losses: Loss[] = [];
  #started = 0;
  #settled = 0;
  #finished = false;

  constructor(charge: Charge, job: Pick<ClientJob, "concurrency" | "rpcs" | "firstKey">) {
    this.#charge = charge;
    this.#job = job;
  }

  /** Resolves when all callers are done. `onEnough` is called once, when the RPCs that are owed have settled. */
  async run(onEnough: () => void): Promise<Omit<ClientReport, "uncaught">> {
    await Promise.all(Array.from({ length: this.#job.concurrency }, () => this.#callAgainAndAgain(onEnough)));
    return { kind: "report", rpcs: this.#settled, losses: this.#losses };
  }

  finish(): void {
    this.#finished = true;
  }

  async #callAgainAndAgain(onEnough: () => void): Promise<void> {
    const { rpcs, firstKey } = this.#job;
    while (!this.#finished || this.#started < rpcs) {
      const key = firstKey + this.#started++;
      const fault = await this.#call(key);
      if (fault !== undefined) this.#losses.push({ key, message: fault });
      if (++this.#settled === rpcs) onEnough();
      // a caller that fails at once must not count for more than one that is answered
      if (fault !== undefined) await sleep(workMs(key));
    }
  }

  /** Why it failed. */
  async #call(key: number): Promise<string | undefined> {
    try {
      const answered = await this.#charge(key);
      return answered === key ? undefined : `wrong response: to ${answered} instead of ${key}`;
    } catch (error) {
      return messageOf(error);
    }
  }
}

/** With that of its cause, where that says more. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? error.cause.message : "";
  return cause === "" || error.message.includes(cause) ? error.message : `${error.message}: ${cause}`;
}
