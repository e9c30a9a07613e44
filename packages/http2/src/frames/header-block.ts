import { ErrorCode } from "../error-code.ts";
import { ProtocolError } from "./protocol-error.ts";

/** Frames of one block; more of them, mostly empty, are an attack (CVE-2024-27316). */
const maxFragments = 64;

/** Joins the header block that comes in HEADERS and CONTINUATION (RFC 9113, section 4.3). */
export class HeaderBlock {
  readonly #maxBytes: number;
  #fragments: Buffer[] | undefined;
  #bytes = 0;
  #streamId = 0;
  #endStream = false;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get isOpen(): boolean {
    return this.#fragments !== undefined;
  }

  get streamId(): number {
    return this.#streamId;
  }

  get endStream(): boolean {
    return this.#endStream;
  }

  begin(streamId: number, endStream: boolean): void {
    this.#streamId = streamId;
    this.#endStream = endStream;
    this.#bytes = 0;
    this.#fragments = [];
  }

  /** Throws a `ProtocolError` when the block grows over its limits. */
  add(fragment: Buffer): void {
    this.#bytes += fragment.length;
    this.#fragments?.push(Buffer.from(fragment));
    if (this.#bytes > this.#maxBytes || (this.#fragments?.length ?? 0) > maxFragments) {
      const text = `a header block of more than ${this.#maxBytes} bytes or ${maxFragments} frames`;
      throw new ProtocolError(ErrorCode.enhanceYourCalm, text);
    }
  }

  end(): Buffer {
    const block = Buffer.concat(this.#fragments ?? []);
    this.#fragments = undefined;
    return block;
  }
}
