import type { StatusCode } from "../errors.ts";
import type { StreamFate } from "./fate.ts";

/** What became of one attempt; reported exactly once for each. */
export interface Outcome {
  /** The status that the protocol carried or the transport gave it; 0 is success. */
  readonly code: StatusCode;
  readonly fate: StreamFate;
  /** Milliseconds from the pick to the response headers; `undefined` when none arrived. */
  readonly firstByteMs: number | undefined;
  /** Milliseconds from the pick to the end. */
  readonly durationMs: number;
}
