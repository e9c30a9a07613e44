const headerBytes = 9;
const frameType = { headers: 1, pushPromise: 5, goaway: 7, continuation: 9 };
const endHeadersFlag = 4;

/** Follows the bytes a server session writes, to tell where a frame of another origin may stand (RFC 9113, section 4). */
export class FrameTracker {
  /** What has arrived of a frame's header that is not complete yet. */
  readonly #partial = new Uint8Array(headerBytes);
  #partialLength = 0;
  #payloadLeft = 0;
  #inFieldBlock = false;
  #started = false;
  #sawGoaway = false;

  /** Whether the session has begun to send a GOAWAY of its own: no later one may name a higher stream id. */
  get sawGoaway(): boolean {
    return this.#sawGoaway;
  }

  /**
   * Whether the bytes so far end with a whole frame, outside of a field block (HEADERS and its CONTINUATIONs admit no
   * frame in between) and not before the first frame, which must be the session's SETTINGS.
   */
  get atBoundary(): boolean {
    return this.#started && this.#partialLength === 0 && this.#payloadLeft === 0 && !this.#inFieldBlock;
  }

  push(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#payloadLeft > 0) {
        const taken = Math.min(this.#payloadLeft, bytes.length - at);
        this.#payloadLeft -= taken;
        at += taken;
      } else if (this.#partialLength === 0 && bytes.length - at >= headerBytes) {
        this.#beginFrame(bytes, at);
        at += headerBytes;
      } else {
        this.#partial[this.#partialLength++] = bytes[at++] ?? 0;
        if (this.#partialLength === headerBytes) {
          this.#partialLength = 0;
          this.#beginFrame(this.#partial, 0);
        }
      }
    }
  }

  #beginFrame(bytes: Uint8Array, at: number): void {
    this.#payloadLeft = ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    this.#started = true;
    const type = bytes[at + 3] ?? 0;
    if (type === frameType.goaway) this.#sawGoaway = true;
    if (type === frameType.headers || type === frameType.pushPromise || type === frameType.continuation) {
      this.#inFieldBlock = ((bytes[at + 4] ?? 0) & endHeadersFlag) === 0;
    }
  }
}
