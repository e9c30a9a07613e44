import type { ClientStream } from "./client-stream.ts";
import { ErrorCode } from "./error-code.ts";
import { maxUint31 } from "./frames/frame.ts";
import { ProtocolError } from "./frames/protocol-error.ts";

/** Streams whose frames may still be under way after we reset them. */
const maxRemembered = 1_000;

/** Which streams of a client's connection are open, which were, and which never (RFC 9113, section 5.1). */
export class StreamTable {
  readonly #open = new Map<number, ClientStream>();
  /** What still arrives for these means nothing, while for others that ended it is the peer's error. */
  readonly #reset = new Set<number>();
  /** Of those that are open. */
  #background = 0;
  /** The highest id that was forgotten: of those up to it nothing is known. */
  #forgotten = 0;
  #nextId: number;

  /** `firstId`: odd, as a client's are. */
  constructor(firstId: number) {
    this.#nextId = firstId;
  }

  /** Open streams, but for those in the background. */
  get rpcs(): number {
    return this.#open.size - this.#background;
  }

  /** Open streams that take room from the others, and count for nothing else. */
  get background(): number {
    return this.#background;
  }

  /** Those that are open, for a caller that may end them. */
  get all(): readonly ClientStream[] {
    return [...this.#open.values()];
  }

  /** The id of the stream that is added next. */
  get nextId(): number {
    return this.#nextId;
  }

  get isUsedUp(): boolean {
    return this.#nextId > maxUint31;
  }

  add(stream: ClientStream): void {
    this.#nextId = stream.id + 2;
    this.#open.set(stream.id, stream);
    if (stream.isBackground) this.#background++;
  }

  /** `isReset`: by us, so that the peer may not know of it yet. */
  delete({ id, isBackground }: ClientStream, isReset: boolean): void {
    if (this.#open.delete(id) && isBackground) this.#background--;
    if (!isReset) return;
    this.#reset.add(id);
    if (this.#reset.size <= maxRemembered) return;
    const [oldest = 0] = this.#reset;
    this.#reset.delete(oldest);
    this.#forgotten = Math.max(this.#forgotten, oldest);
  }

  /** The open stream of that id. Throws a `ProtocolError` where it was never opened. */
  get(id: number, frame: string): ClientStream | undefined {
    const stream = this.#open.get(id);
    if (stream !== undefined || (id % 2 === 1 && id < this.#nextId)) return stream;
    throw new ProtocolError(ErrorCode.protocolError, `${frame} on stream ${id}, which was never opened`);
  }

  /** As `get`; throws also where the peer has ended the stream itself, and may send no such frame. */
  find(id: number, frame: string): ClientStream | undefined {
    const stream = this.get(id, frame);
    if (stream !== undefined || id <= this.#forgotten || this.#reset.has(id)) return stream;
    throw new ProtocolError(ErrorCode.streamClosed, `${frame} on stream ${id}, which has ended`);
  }
}
