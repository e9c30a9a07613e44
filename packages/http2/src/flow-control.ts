import { maxUint31 } from "./frames/frame.ts";

/** What the peer may still be sent (RFC 9113, section 5.2). Below 0 after the peer made its initial window smaller. */
export class SendWindow {
  #size: number;

  constructor(size: number) {
    this.#size = size;
  }

  get size(): number {
    return this.#size;
  }

  take(bytes: number): void {
    this.#size -= bytes;
  }

  /** Returns whether it stays within 2^31 - 1; more is the peer's error. */
  grow(bytes: number): boolean {
    this.#size += bytes;
    return this.#size <= maxUint31;
  }
}

/** What the peer may still send us. Bytes are given back in few, large updates. */
export class ReceiveWindow {
  readonly #size: number;
  /** Taken by the peer, and not given back. */
  #taken = 0;

  constructor(size: number) {
    this.#size = size;
  }

  /** Returns whether the peer kept to its window. */
  take(bytes: number): boolean {
    this.#taken += bytes;
    return this.#taken <= this.#size;
  }

  /** The increment of the WINDOW_UPDATE that is due now; 0 while less than half of the window was taken. */
  giveBack(): number {
    const increment = this.#taken;
    if (increment * 2 < this.#size) return 0;
    this.#taken = 0;
    return increment;
  }
}
