/** Takes the times of batches of things, each too short to be timed alone. */
export class Stopwatch {
  #times: number[] = [];

  /** What a batch took. */
  add(ns: number, count: number): void {
    this.#times.push(ns / count);
  }

  /**
   * Nanoseconds for one, on average of the batches since the last time it was asked, without the twentieth that was the
   * slowest, in which another process had the CPU, and the twentieth that was the fastest.
   */
  take(): number {
    const sorted = this.#times.sort((a, b) => a - b);
    const cut = Math.floor(sorted.length / 20);
    const counted = sorted.slice(cut, sorted.length - cut);
    this.#times = [];
    return counted.reduce((sum, time) => sum + time / counted.length, 0);
  }
}

/** What `work` takes, in nanoseconds. */
export function timed(work: () => void): number {
  const startedAt = process.hrtime.bigint();
  work();
  return Number(process.hrtime.bigint() - startedAt);
}
