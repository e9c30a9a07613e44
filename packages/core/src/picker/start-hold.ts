import type { Clock, Timer } from "../clock.ts";

/** The longest that RPCs wait for more than one connection to become ready, in milliseconds. */
const maxHoldMs = 50;

/** What it looks at. */
export interface Dialled {
  /** Whether it may become ready soon. */
  readonly isDialling: boolean;
  /** How long it took to become ready, in milliseconds. */
  readonly dialMs: number;
}

type Phase = { readonly kind: "none" } | { readonly kind: "held"; readonly timer: Timer } | { readonly kind: "over" };

/**
 * Where nothing was ready, keeps the first of many from being given all the RPCs that wait: until no more
 * are being dialled than are ready, or as long again as the first dial took.
 */
export class StartHold {
  readonly #clock: Clock;
  readonly #onOver: () => void;
  #phase: Phase = { kind: "none" };

  constructor(clock: Clock, onOver: () => void) {
    this.#clock = clock;
    this.#onOver = onOver;
  }

  get isHeld(): boolean {
    return this.#phase.kind === "held";
  }

  /** Takes what is ready now, at least one. Returns whether RPCs are to wait for more. */
  update([first, ...rest]: readonly [Dialled, ...Dialled[]], all: Iterable<Dialled>): boolean {
    if (this.#phase.kind === "over") return false;
    let dialling = 0;
    for (const { isDialling } of all) if (isDialling) dialling++;
    const isEnough = 1 + rest.length >= dialling;
    const holdMs = Math.min(first.dialMs, maxHoldMs);
    if (isEnough || holdMs === 0) this.#end({ kind: "over" });
    else if (this.#phase.kind === "none") {
      const over = (): void => {
        this.#phase = { kind: "over" };
        this.#onOver();
      };
      this.#phase = { kind: "held", timer: this.#clock.setTimeout(over, holdMs) };
    }
    return this.isHeld;
  }

  /** RPCs wait no longer: one of them would fail. */
  end(): void {
    if (!this.isHeld) return;
    this.#end({ kind: "over" });
    this.#onOver();
  }

  /** Nothing is ready any more. */
  reset(): void {
    this.#end({ kind: "none" });
  }

  #end(phase: Phase): void {
    if (this.#phase.kind === "held") this.#phase.timer.cancel();
    this.#phase = phase;
  }
}
