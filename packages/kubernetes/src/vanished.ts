import { type Clock, type ResolverListener, type ResolverUpdate, type Timer, usableEndpoints } from "@evenkeel/core";

/** EndpointSlices that were deleted are made anew within seconds, in milliseconds. */
const holdMs = 10_000;

/**
 * Holds an empty set back for a while when it follows endpoints that were ready and not terminating: it is their slices
 * that were deleted. Pods that scale down are terminating first, and those that die end their connections themselves;
 * to the others connections live on, as under kube-proxy.
 */
export class VanishedGuard {
  readonly #listener: ResolverListener;
  readonly #clock: Clock;
  #serves = false;
  #held: { update: ResolverUpdate; readonly timer: Timer } | undefined;

  constructor(listener: ResolverListener, clock: Clock) {
    this.#listener = listener;
    this.#clock = clock;
  }

  /** What could not be learnt changes nothing of what was. */
  failed(error: Error): void {
    this.#listener({ kind: "error", error });
  }

  /** What the slices say now. */
  tell(update: ResolverUpdate): void {
    if (update.kind === "error") {
      this.close(); // of slices that are there again
      this.#listener(update);
    } else if (!this.#serves || (update.kind === "endpoints" && update.endpoints.length > 0)) this.#pass(update);
    else if (this.#held !== undefined) this.#held.update = update;
    else {
      const timer = this.#clock.setTimeout(() => this.#pass(this.#held?.update ?? update), holdMs);
      this.#held = { update, timer };
    }
  }

  close(): void {
    this.#held?.timer.cancel();
    this.#held = undefined;
  }

  #pass(update: ResolverUpdate): void {
    this.close();
    const endpoints = update.kind === "endpoints" ? update.endpoints : [];
    this.#serves = usableEndpoints(endpoints).some(({ terminating }) => !terminating);
    this.#listener(update);
  }
}
