import type { ClientStream } from "./client-stream.ts";

/** Streams with bytes that wait for the connection's window or for the socket, which take turns. */
export class SendQueue {
  readonly #streams = new Set<ClientStream>();

  add(stream: ClientStream): void {
    this.#streams.add(stream);
  }

  delete(stream: ClientStream): void {
    this.#streams.delete(stream);
  }

  /** Gives each a turn, while `hasRoom`. Who has to wait again adds itself, behind the others. */
  pump(hasRoom: () => boolean): void {
    let turns = this.#streams.size;
    for (const stream of this.#streams) {
      // those that had no turn are the first of the next time
      if (turns-- === 0 || !hasRoom()) return;
      this.#streams.delete(stream);
      stream.pump();
    }
  }
}
