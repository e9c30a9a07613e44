import { once } from "node:events";
import type { ServerResponse } from "node:http";
import type { Timers } from "../timers.ts";
import type { Entrance } from "./entrance.ts";
import { type ApiWatch, RunningWatch, type WatchSetup } from "./watch.ts";

/**
 * How watches end: `end` in good order, as when their time is up; `cut` in the middle of an event, without a word;
 * `reset` by a TCP reset.
 */
export type ApiWatchEnd = "end" | "cut" | "reset";

/** The watches that are open. */
export class RunningWatches {
  readonly #entrance: Entrance;
  readonly #timers: Timers;
  readonly #onChange: () => void;
  readonly #watches = new Map<RunningWatch, ServerResponse>();
  #eventsSent = 0;
  #stallNew = false;

  constructor(entrance: Entrance, timers: Timers, onChange: () => void) {
    this.#entrance = entrance;
    this.#timers = timers;
    this.#onChange = onChange;
  }

  get open(): readonly ApiWatch[] {
    return [...this.#watches.keys()].filter((watch) => !watch.over);
  }

  get eventsSent(): number {
    return this.#eventsSent;
  }

  /** Resolves when it is over. */
  async run(setup: Omit<WatchSetup, "stalled" | "onSent">): Promise<void> {
    const onSent = (events: number): void => {
      this.#eventsSent += events;
      this.#onChange();
    };
    const watch = new RunningWatch({ ...setup, stalled: this.#stallNew, onSent });
    this.#watches.set(watch, setup.response);
    setup.response.on("close", () => this.#watches.delete(watch)); // before others are told
    const over = watch.run();
    this.#onChange();
    await over;
    this.#onChange();
  }

  expire(): void {
    for (const watch of [...this.#watches.keys()]) watch.expire();
  }

  drop(how: ApiWatchEnd): void {
    for (const [watch, response] of [...this.#watches]) {
      if (how === "end") watch.end();
      else if (how === "cut") watch.cut();
      else {
        watch.abandon();
        this.#entrance.reset(response.req.socket);
      }
    }
  }

  stall(andNew: boolean): void {
    this.#stallNew = andNew;
    for (const watch of this.#watches.keys()) watch.stall();
  }

  resume(): void {
    this.#stallNew = false;
    for (const watch of [...this.#watches.keys()]) watch.resume();
  }

  /** Ends all in good order. Resolves when that has left, or after a second with clients that do not read. */
  async finish(): Promise<void> {
    const { promise: late, resolve: giveUp } = Promise.withResolvers<void>();
    const forget = this.#timers.after(1_000, giveUp);
    const over = [...this.#watches.values()].map((response) => once(response, "close"));
    this.drop("end");
    await Promise.race([Promise.all(over), late]);
    forget();
  }
}
