/** Frame types (RFC 9113, section 6). Others are ignored. */
export const FrameType = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const Flag = { endStream: 0x1, ack: 0x1, endHeaders: 0x4, padded: 0x8, priority: 0x20 } as const;

export const frameHeaderBytes = 9;
/** The largest frame that everybody takes (SETTINGS_MAX_FRAME_SIZE before it is changed). */
export const defaultMaxFrameSize: number = 16_384;
/** What a client sends before its first frame. */
export const connectionPreface: Buffer = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");
/** Stream ids, windows and their increments go up to this number. */
export const maxUint31: number = 2 ** 31 - 1;

/** Writes the header of a frame. Returns the offset behind it. */
export function writeFrameHeader(
  buffer: Buffer,
  offset: number,
  length: number,
  type: number,
  flags: number,
  streamId: number,
): number {
  buffer[offset] = length >>> 16;
  buffer[offset + 1] = length >>> 8;
  buffer[offset + 2] = length;
  buffer[offset + 3] = type;
  buffer[offset + 4] = flags;
  return writeUint32(buffer, offset + 5, streamId);
}

/** Returns the offset behind it. */
export function writeUint32(buffer: Buffer, offset: number, value: number): number {
  buffer[offset] = value >>> 24;
  buffer[offset + 1] = value >>> 16;
  buffer[offset + 2] = value >>> 8;
  buffer[offset + 3] = value;
  return offset + 4;
}

/** Reads 31 bits; the reserved bit before them is ignored. */
export function readUint31(buffer: Uint8Array, offset: number): number {
  return readUint32(buffer, offset) & maxUint31;
}

/** The bytes have to be there. */
export function readUint32(buffer: Uint8Array, offset: number): number {
  const byte0 = buffer[offset] as number;
  const byte1 = buffer[offset + 1] as number;
  const byte2 = buffer[offset + 2] as number;
  const byte3 = buffer[offset + 3] as number;
  return ((byte0 << 24) | (byte1 << 16) | (byte2 << 8) | byte3) >>> 0;
}

/** A whole frame of one's own. */
export function encodeFrame(type: number, flags: number, streamId: number, payload: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(frameHeaderBytes + payload.length);
  writeFrameHeader(frame, 0, payload.length, type, flags, streamId);
  frame.set(payload, frameHeaderBytes);
  return frame;
}
