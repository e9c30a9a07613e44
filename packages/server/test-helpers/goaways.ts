import { lastStreamOf, type RawClient } from "./raw-client.ts";

/** The GOAWAYs and PINGs that a client got, in order. node may send the final GOAWAY once more when the session ends. */
export function goawaysOf(client: RawClient): string[] {
  return client.frames
    .filter((frame) => frame.type === "GOAWAY" || frame.type === "PING")
    .map((frame) => (frame.type === "GOAWAY" ? `GOAWAY ${lastStreamOf(frame)}` : frame.type))
    .filter((frame, index, all) => frame !== all[index - 1]);
}
