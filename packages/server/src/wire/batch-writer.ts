import { freeChunk, giveSlab, takeSlab } from "./slabs.ts";

type Callback = (error?: Error | null) => void;

/** What a writer needs of a stream. */
export interface Sink {
  write(bytes: Uint8Array, callback: Callback): unknown;
}

/** What the sink has and still needs. */
interface Piece {
  readonly slab: Buffer | undefined;
  /** The chunks before this one end within the piece, or before it. */
  readonly to: number;
}

/** Up to here memory comes from node's own pool: a slow reader must not hold a slab for a few bytes. */
const smallBytes = 4_096;

/**
 * Hands many small chunks to a stream as few large ones, in order, and one at a time.
 *
 * A session's write comes as one chunk for each frame header and each payload, hundreds at once under load. Each would
 * cost the stream below some objects, and TLS joins them anyway.
 */
export class BatchWriter {
  readonly #sink: Sink;
  #chunks: Uint8Array[] = [];
  #callbacks: (Callback | undefined)[] = [];
  /** The chunk, and the byte of it, at which the next piece begins. */
  #next = 0;
  #nextByte = 0;
  /** The first chunk whose callback has not been called. */
  #firstOpen = 0;
  #bytesLeft = 0;
  #corked = 0;
  #ended = false;
  readonly #pieces: Piece[] = [];

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  /** Bytes that the sink has not been given yet. */
  get bytesLeft(): number {
    return this.#bytesLeft;
  }

  get ended(): boolean {
    return this.#ended;
  }

  cork(): void {
    this.#corked++;
  }

  uncork(): void {
    if (this.#corked > 0) this.#corked--;
    this.#pump();
  }

  /**
   * The chunk is the writer's from now on: its memory is freed when it has been copied.
   *
   * @param callback called when the sink has taken the whole chunk; on an error once for all chunks that share it
   */
  write(chunk: Uint8Array, callback?: Callback): void {
    if (this.#ended) return;
    this.#chunks.push(chunk);
    this.#callbacks.push(callback);
    this.#bytesLeft += chunk.length;
    this.#pump();
  }

  /** Gives the sink all that is left, so that something else can follow. */
  flush(): void {
    while (this.#next < this.#chunks.length) this.#writePiece();
  }

  /**
   * Gives the sink all that is left. Whatever comes later is dropped and never called back, so that its writer waits for
   * the sink to close, as it would if the sink were stuck.
   */
  end(): void {
    this.flush();
    this.#ended = true;
  }

  #pump(): void {
    if (this.#pieces.length === 0 && this.#corked === 0 && this.#next < this.#chunks.length) this.#writePiece();
  }

  #writePiece(): void {
    const [bytes, slab] = this.#takeBytes();
    this.#pieces.push({ slab, to: this.#next });
    this.#sink.write(bytes, this.#onTaken);
  }

  #takeBytes(): [bytes: Uint8Array, slab?: Buffer] {
    const first = this.#chunks[this.#next];
    if (this.#nextByte === 0 && first?.length === this.#bytesLeft) {
      // the only one: no need to copy it
      this.#next = this.#chunks.length;
      this.#bytesLeft = 0;
      return [first];
    }
    if (this.#bytesLeft <= smallBytes) return [this.#fill(Buffer.allocUnsafe(this.#bytesLeft))];
    const slab = takeSlab(this.#bytesLeft);
    return [this.#fill(slab), slab];
  }

  /** Moves what fits of what is left. @returns the part of `room` that it filled */
  #fill(room: Buffer): Buffer {
    let filled = 0;
    for (; this.#next < this.#chunks.length; this.#next++, this.#nextByte = 0) {
      const chunk = this.#chunks[this.#next] as Uint8Array;
      const end = Math.min(chunk.length, this.#nextByte + room.length - filled);
      room.set(this.#nextByte === 0 && end === chunk.length ? chunk : chunk.subarray(this.#nextByte, end), filled);
      filled += end - this.#nextByte;
      this.#nextByte = end;
      if (end < chunk.length) break;
      freeChunk(chunk);
    }
    this.#bytesLeft -= filled;
    return filled === room.length ? room : room.subarray(0, filled);
  }

  readonly #onTaken: Callback = (error) => {
    const piece = this.#pieces.shift();
    if (piece?.slab !== undefined) giveSlab(piece.slab);
    const callbacks = this.#callbacks;
    const from = this.#firstOpen;
    if (error) {
      this.#forget();
      for (const callback of new Set(callbacks.slice(from))) callback?.(error);
      return;
    }
    const to = piece?.to ?? from;
    this.#firstOpen = to;
    if (to === this.#chunks.length) this.#forget();
    this.#pump();
    for (let index = from; index < to; index++) callbacks[index]?.();
  };

  #forget(): void {
    this.#chunks = [];
    this.#callbacks = [];
    this.#next = 0;
    this.#nextByte = 0;
    this.#firstOpen = 0;
    this.#bytesLeft = 0;
  }
}
