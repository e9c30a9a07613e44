/** Streams whose frames may still be under way after we reset them. */
const maxRemembered = 1_000;

/** The streams that we reset: what still arrives for them means nothing, while for others it is the peer's error. */
export class ResetStreams {
  readonly #ids = new Set<number>();
  /** The highest id that was forgotten: of those up to it nothing is known. */
  #forgotten = 0;

  add(id: number): void {
    this.#ids.add(id);
    if (this.#ids.size <= maxRemembered) return;
    const [oldest = 0] = this.#ids;
    this.#ids.delete(oldest);
    this.#forgotten = Math.max(this.#forgotten, oldest);
  }

  /** Whether the stream may be one of them. */
  has(id: number): boolean {
    return id <= this.#forgotten || this.#ids.has(id);
  }
}
