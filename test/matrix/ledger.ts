import { readFile } from "node:fs/promises";

/** What the pods of a cluster have noted since it was last read. */
export interface Notes {
  /** How often each charge was executed. */
  readonly executions: ReadonlyMap<number, number>;
  /** Connections that were retired; a server that was closed counts once. */
  readonly retired: number;
}

/** The file into which all pods of a cluster write, a line at a time. */
export class Ledger {
  readonly file: string;
  #read = 0;

  constructor(file: string) {
    this.file = file;
  }

  async readNew(): Promise<Notes> {
    const bytes = await readFile(this.file);
    const end = bytes.lastIndexOf("\n") + 1;
    const text = bytes.toString("utf8", this.#read, end);
    this.#read = end;
    return notesOf(text);
  }
}

export function notesOf(text: string): Notes {
  const executions = new Map<number, number>();
  let retired = 0;
  for (const line of text.split("\n")) {
    if (line === "") continue;
    if (line === "retired") retired++;
    else executions.set(Number(line), (executions.get(Number(line)) ?? 0) + 1);
  }
  return { executions, retired };
}
