/** Promises that were broken, grouped by what is the same in their text. */
export class Faults {
  readonly #groups = new Map<string, { count: number; readonly example: string; readonly firstAtMs: number }>();
  readonly #startedAt = performance.now();
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** `detail` is that of one case, and does not count for the group. */
  add(promise: string, text: string, detail?: string): void {
    this.#count++;
    const example = `${promise}: ${text}`;
    const key = example.replaceAll(/\d+(\.\d+)*/g, "#").slice(0, 400);
    const group = this.#groups.get(key);
    if (group !== undefined) group.count++;
    else
      this.#groups.set(key, {
        count: 1,
        example: detail === undefined ? example.slice(0, 2_000) : `${example.slice(0, 2_000)} [${detail}]`,
        firstAtMs: performance.now() - this.#startedAt,
      });
  }

  list(): readonly { readonly count: number; readonly example: string; readonly firstAtMs: number }[] {
    return [...this.#groups.values()].sort((one, other) => other.count - one.count).map((group) => ({ ...group }));
  }
}
