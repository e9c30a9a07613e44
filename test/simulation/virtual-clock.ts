import type { Clock, Timer } from "@evenkeel/core";

/**
 * Time that passes as fast as its timers can be called, those of one instant in the order in which they were set.
 *
 * A heap, because simulations have tens of thousands of timers pending, which the sorted list of `FakeClock` is not for.
 */
export class VirtualClock implements Clock {
  #now = 0;
  #order = 0;
  /** A binary heap: the earliest first. What is cancelled stays until it is due. */
  readonly #heap: VirtualTimer[] = [];

  now(): number {
    return this.#now;
  }

  setTimeout(callback: () => void, ms: number): Timer {
    const timer = new VirtualTimer(this.#now + Math.max(ms, 0), this.#order++, callback);
    const heap = this.#heap;
    let index = heap.length;
    while (index > 0) {
      const above = (index - 1) >>> 1;
      const parent = heap[above] as VirtualTimer;
      if (!timer.isBefore(parent)) break;
      heap[index] = parent;
      index = above;
    }
    heap[index] = timer;
    return timer;
  }

  /** Calls every timer that is due until then, those included that are set meanwhile. */
  runUntil(timeMs: number): void {
    const heap = this.#heap;
    for (let next = heap[0]; next !== undefined && next.at <= timeMs; next = heap[0]) {
      this.#removeFirst();
      this.#now = next.at;
      next.callback?.();
    }
    this.#now = timeMs;
  }

  #removeFirst(): void {
    const heap = this.#heap;
    const last = heap.pop() as VirtualTimer;
    const { length } = heap;
    if (length === 0) return;
    let index = 0;
    for (;;) {
      let below = 2 * index + 1;
      if (below >= length) break;
      const left = heap[below] as VirtualTimer;
      const right = heap[below + 1];
      const child = right?.isBefore(left) === true ? right : left;
      if (child === right) below++;
      if (!child.isBefore(last)) break;
      heap[index] = child;
      index = below;
    }
    heap[index] = last;
  }
}

class VirtualTimer implements Timer {
  readonly at: number;
  readonly #order: number;
  callback: (() => void) | undefined;

  constructor(at: number, order: number, callback: () => void) {
    this.at = at;
    this.#order = order;
    this.callback = callback;
  }

  isBefore(other: VirtualTimer): boolean {
    return this.at < other.at || (this.at === other.at && this.#order < other.#order);
  }

  cancel(): void {
    this.callback = undefined;
  }
}
