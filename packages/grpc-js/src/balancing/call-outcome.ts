import { type Outcome, StatusCode } from "@evenkeel/core";
import { status } from "@grpc/grpc-js";

/** What grpc-js says of a stream that was refused, by RST_STREAM or above the last stream id of a GOAWAY. */
const refused = "Stream refused by server";

/** A call that lasted for longer (milliseconds), and did not fail, is taken for a stream: of which nothing is slow. */
const longestAnswerMs = 10_000;

/** How a call of grpc-js ended. */
export interface CallEnd {
  readonly code: status;
  readonly details: string;
  /** From its start. */
  readonly durationMs: number;
  /** Whether the connection that it was on is still there, and not about to end. */
  readonly isConnected: boolean;
}

/**
 * What policies learn of it. grpc-js does not tell when the response began, nor which kind of call it was: the whole
 * time of an answer counts as its latency, unless it is that of a stream.
 */
export function outcomeOf({ code, details, durationMs, isConnected }: CallEnd): Outcome {
  if (code === status.UNAVAILABLE && details === refused) {
    return {
      code: StatusCode.unavailable,
      fate: "unprocessed",
      isRefused: isConnected,
      firstByteMs: undefined,
      durationMs,
    };
  }
  // by the caller, or by the deadline: nobody answered; that it lasted says at least that much of the endpoint
  const isGivenUp = code === status.CANCELLED || code === status.DEADLINE_EXCEEDED;
  const isStream = durationMs > longestAnswerMs && (code === status.OK || code === status.CANCELLED);
  return {
    code: code as number as StatusCode,
    fate: isGivenUp || code === status.UNAVAILABLE ? "ambiguous" : "answered",
    firstByteMs: isGivenUp || isStream ? undefined : durationMs,
    durationMs: isStream ? 0 : durationMs,
  };
}
