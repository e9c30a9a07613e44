import type { StatusCode } from "../errors.ts";
import type { ServerLoad } from "../load/server-load.ts";
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
  /** Whether the server refused it with REFUSED_STREAM, as overloaded servers do. Default false. */
  readonly isRefused?: boolean;
  /** What the server told of itself in the trailers. */
  readonly load?: ServerLoad | undefined;
  /** The pod that answered, where it named itself (response header `x-evenkeel-pod`). */
  readonly podName?: string | undefined;
}
