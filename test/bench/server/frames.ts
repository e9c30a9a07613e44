/** RFC 9113, section 6. */
export const frameType = {
  data: 0,
  headers: 1,
  rstStream: 3,
  settings: 4,
  ping: 6,
  windowUpdate: 8,
} as const;

export const flag = { ack: 1, endStream: 1, endHeaders: 4 } as const;

export const frameHeaderLength = 9;

/** The largest frame that every peer takes. */
export const maxFrameLength = 16_384;

export const settingInitialWindowSize = 4;
export const settingMaxConcurrentStreams = 3;

/** Of streams and of the connection, before anything is said about them. */
export const defaultWindow = 65_535;

export const maxWindow = 2 ** 31 - 1;

export const prefaceLength = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".length;

export function writeFrameHeader(
  to: Buffer,
  at: number,
  length: number,
  type: number,
  flags: number,
  stream: number,
): void {
  to[at] = length >>> 16;
  to[at + 1] = length >>> 8;
  to[at + 2] = length;
  to[at + 3] = type;
  to[at + 4] = flags;
  writeStreamId(to, at, stream);
}

/** Into the frame that begins at `at`. */
export function writeStreamId(to: Buffer, at: number, stream: number): void {
  to[at + 5] = stream >>> 24;
  to[at + 6] = stream >>> 16;
  to[at + 7] = stream >>> 8;
  to[at + 8] = stream;
}

export function frame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const bytes = Buffer.alloc(frameHeaderLength + payload.length);
  writeFrameHeader(bytes, 0, payload.length, type, flags, stream);
  bytes.set(payload, frameHeaderLength);
  return bytes;
}
