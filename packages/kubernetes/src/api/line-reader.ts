/** One object of a watch; etcd keeps none above 1.5 MiB. */
const maxLineLength = 16 * 2 ** 20;

/** Cuts text that arrives in pieces into lines. */
export class LineReader {
  #rest = "";

  /** The lines that `text` completes, without empty ones. Throws an `Error` for a line that does not end. */
  push(text: string): readonly string[] {
    const lines = text.split("\n");
    lines[0] = this.#rest + lines[0];
    this.#rest = lines.pop() ?? "";
    if (this.#rest.length > maxLineLength) throw new Error(`a line of a watch is longer than ${maxLineLength}`);
    return lines.filter((line) => line.trim() !== "");
  }
}
