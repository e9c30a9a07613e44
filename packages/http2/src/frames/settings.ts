import { ErrorCode } from "../error-code.ts";
import { defaultMaxFrameSize, maxUint31, readUint32, writeUint32 } from "./frame.ts";
import { ProtocolError } from "./protocol-error.ts";

/** What one side tells the other of itself (RFC 9113, section 6.5.2). */
export interface Settings {
  headerTableSize: number;
  enablePush: boolean;
  maxConcurrentStreams: number;
  initialWindowSize: number;
  maxFrameSize: number;
  maxHeaderListSize: number;
}

/** What holds before SETTINGS arrive. */
export const initialSettings: Settings = {
  headerTableSize: 4_096,
  enablePush: true,
  maxConcurrentStreams: Number.POSITIVE_INFINITY,
  initialWindowSize: 65_535,
  maxFrameSize: defaultMaxFrameSize,
  maxHeaderListSize: Number.POSITIVE_INFINITY,
};

const settingId = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
} as const;

const entryBytes = 6;

/** The payload of a SETTINGS frame. */
export function encodeSettings(settings: Partial<Settings>): Buffer {
  const entries = Object.entries(settings) as [keyof Settings, number | boolean][];
  const payload = Buffer.alloc(entries.length * entryBytes);
  entries.forEach(([name, value], index) => {
    payload.writeUInt16BE(settingId[name], index * entryBytes);
    writeUint32(payload, index * entryBytes + 2, Number(value));
  });
  return payload;
}

/** `settings` with what the payload of a SETTINGS frame changes. Throws a `ProtocolError` for values out of range. */
export function applySettings(settings: Settings, payload: Buffer): Settings {
  const changed = { ...settings };
  for (let offset = 0; offset + entryBytes <= payload.length; offset += entryBytes) {
    apply(changed, payload.readUInt16BE(offset), readUint32(payload, offset + 2));
  }
  return changed;
}

function apply(settings: Settings, id: number, value: number): void {
  switch (id) {
    case settingId.headerTableSize:
      settings.headerTableSize = value;
      break;
    case settingId.enablePush:
      if (value > 1) throw outOfRange("SETTINGS_ENABLE_PUSH", value);
      settings.enablePush = value === 1;
      break;
    case settingId.maxConcurrentStreams:
      settings.maxConcurrentStreams = value;
      break;
    case settingId.initialWindowSize:
      if (value > maxUint31) {
        throw outOfRange("SETTINGS_INITIAL_WINDOW_SIZE", value, ErrorCode.flowControlError);
      }
      settings.initialWindowSize = value;
      break;
    case settingId.maxFrameSize:
      if (value < defaultMaxFrameSize || value >= 2 ** 24) throw outOfRange("SETTINGS_MAX_FRAME_SIZE", value);
      settings.maxFrameSize = value;
      break;
    case settingId.maxHeaderListSize:
      settings.maxHeaderListSize = value;
      break;
    default: // unknown settings are ignored
  }
}

function outOfRange(name: string, value: number, errorCode: number = ErrorCode.protocolError): ProtocolError {
  return new ProtocolError(errorCode, `${name} of ${value}`);
}
