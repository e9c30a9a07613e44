import { describe, expect, it } from "vitest";
import { ErrorCode } from "../error-code.ts";
import { ProtocolError } from "./protocol-error.ts";
import { applySettings, encodeSettings, initialSettings } from "./settings.ts";

describe("encodeSettings", () => {
  it("writes what it is given, in its order", () => {
    const payload = encodeSettings({ enablePush: false, initialWindowSize: 2 ** 31 - 1, maxHeaderListSize: 65_536 });
    expect(payload.toString("hex")).toBe("000200000000" + "00047fffffff" + "000600010000");
  });

  it("writes nothing where there is nothing", () => {
    expect(encodeSettings({})).toHaveLength(0);
  });
});

describe("applySettings", () => {
  it("reads what encodeSettings writes", () => {
    const settings = {
      headerTableSize: 0,
      enablePush: false,
      maxConcurrentStreams: 2 ** 32 - 1,
      initialWindowSize: 0,
      maxFrameSize: 2 ** 24 - 1,
      maxHeaderListSize: 2 ** 32 - 1,
    };
    expect(applySettings(initialSettings, encodeSettings(settings))).toEqual(settings);
  });

  it("changes what is named, and not what it was given", () => {
    const before = { ...initialSettings };
    const after = applySettings(before, encodeSettings({ maxConcurrentStreams: 7 }));
    expect(after).toEqual({ ...initialSettings, maxConcurrentStreams: 7 });
    expect(before).toEqual(initialSettings);
    expect(applySettings(after, encodeSettings({ initialWindowSize: 1 }))).toEqual({ ...after, initialWindowSize: 1 });
  });

  it("lets the last of the same settings count", () => {
    const payload = Buffer.concat([1, 2, 3].map((value) => encodeSettings({ maxConcurrentStreams: value })));
    expect(applySettings(initialSettings, payload).maxConcurrentStreams).toBe(3);
  });

  it("ignores settings that it does not know", () => {
    const payload = Buffer.from("0000ffffffff" + "0007ffffffff" + "ffff00000001", "hex");
    expect(applySettings(initialSettings, payload)).toEqual(initialSettings);
  });

  it.each([
    ["ENABLE_PUSH of 2", "000200000002", ErrorCode.protocolError],
    ["INITIAL_WINDOW_SIZE of 2147483648", "000480000000", ErrorCode.flowControlError],
    ["MAX_FRAME_SIZE of 16383", "000500003fff", ErrorCode.protocolError],
    ["MAX_FRAME_SIZE of 16777216", "000501000000", ErrorCode.protocolError],
  ])("refuses a SETTINGS_%s", (text, payload, errorCode) => {
    const apply = () => applySettings(initialSettings, Buffer.from(payload, "hex"));
    expect(apply).toThrow(new ProtocolError(errorCode, `SETTINGS_${text}`));
  });
});
