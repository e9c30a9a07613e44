import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** How often a charge may have been executed, by what its caller was told. */
export type Expectation = "never" | "atMostOnce" | "exactlyOnce";

const expectations: readonly Expectation[] = ["never", "atMostOnce", "exactlyOnce"];

/** What callers were told of their charges, compared with what the pods wrote. Kept outside of the heap. */
export class Ledger {
  #told = new Uint8Array(1 << 20);
  #charges = 0;

  get charges(): number {
    return this.#charges;
  }

  /** A charge is about to be sent, or has settled. */
  expect(id: number, expectation: Expectation): void {
    if (id >= this.#told.length) {
      const larger = new Uint8Array(2 * Math.max(id, this.#told.length));
      larger.set(this.#told);
      this.#told = larger;
    }
    if (this.#told[id] === 0) this.#charges++;
    this.#told[id] = 1 + expectations.indexOf(expectation);
  }

  /** Reads what the pods wrote into `folder`, and tells each charge that breaks its promise. */
  async compare(folder: string): Promise<readonly string[]> {
    const executed = new Uint8Array(this.#told.length);
    const faults: string[] = [];
    for (const pod of await readdir(folder)) {
      for (const line of (await readFile(join(folder, pod), "utf8")).split("\n")) {
        if (line === "") continue;
        const id = Number(line);
        if ((this.#told[id] ?? 0) === 0) faults.push(`${pod} executed "${line}", which nobody sent`);
        else executed[id] = Math.min((executed[id] ?? 0) + 1, 255);
      }
    }
    for (const [id, told] of this.#told.entries()) {
      if (told === 0) continue;
      const times = executed[id] ?? 0;
      const expectation = expectations[told - 1];
      if (times > 1) faults.push(`charge ${id} was executed ${times} times`);
      else if (times === 0 && expectation === "exactlyOnce") faults.push(`charge ${id} was answered and not executed`);
      else if (times === 1 && expectation === "never")
        faults.push(`charge ${id} was aborted before its start and executed`);
    }
    return faults;
  }
}
