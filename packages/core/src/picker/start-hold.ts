import type { Clock, Timer } from "../clock.ts";
import type { Subchannel } from "../pool/subchannel.ts";

/** The longest that RPCs wait for more than one connection to become ready, in milliseconds. */
const maxHoldMs = 50;

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
  update([first, ...rest]: readonly [Subchannel, ...Subchannel[]], subchannels: Iterable<Subchannel>): boolean {
    if (this.#phase.kind === "over") return false;
    let dialling = 0;
    for (const { isDialling } of subchannels) if (isDialling) dialling++;
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
