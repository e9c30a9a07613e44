const headerBytes = 9;
const frameType = { headers: 1, pushPromise: 5, continuation: 9 };
const endHeadersFlag = 4;

/** Follows the bytes a server session writes, to tell where a frame of another origin may stand (RFC 9113, section 4). */
export class FrameTracker {
  readonly #header = new Uint8Array(headerBytes);
  #headerLength = 0;
  #payloadLeft = 0;
  #inFieldBlock = false;
  #started = false;

  /**
   * Whether the bytes so far end with a whole frame, outside of a field block (HEADERS and its CONTINUATIONs admit no
   * frame in between) and not before the first frame, which must be the session's SETTINGS.
   */
  get atBoundary(): boolean {
    return this.#started && this.#headerLength === 0 && this.#payloadLeft === 0 && !this.#inFieldBlock;
  }

  push(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#payloadLeft > 0) {
        const taken = Math.min(this.#payloadLeft, bytes.length - at);
        this.#payloadLeft -= taken;
        at += taken;
        continue;
      }
      const taken = Math.min(headerBytes - this.#headerLength, bytes.length - at);
      this.#header.set(bytes.subarray(at, at + taken), this.#headerLength);
      this.#headerLength += taken;
      at += taken;
      if (this.#headerLength === headerBytes) this.#beginFrame();
    }
  }

  #beginFrame(): void {
    const [high = 0, middle = 0, low = 0, type = 0, flags = 0] = this.#header;
    this.#headerLength = 0;
    this.#payloadLeft = (high << 16) | (middle << 8) | low;
    this.#started = true;
    if (type === frameType.headers || type === frameType.pushPromise || type === frameType.continuation) {
      this.#inFieldBlock = (flags & endHeadersFlag) === 0;
    }
  }
}
