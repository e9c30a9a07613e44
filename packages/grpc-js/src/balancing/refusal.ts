import { experimental, Metadata, type status } from "@grpc/grpc-js";

/** A pick that fails its RPC: `fail` unless that waits for ready, `drop` in any case. */
export function refusal(kind: "fail" | "drop", code: status, details: string): experimental.PickResult {
  const { DROP, TRANSIENT_FAILURE } = experimental.PickResultType;
  return {
    pickResultType: kind === "drop" ? DROP : TRANSIENT_FAILURE,
    subchannel: null,
    status: { code, details, metadata: new Metadata() },
    onCallStarted: null,
    onCallEnded: null,
  };
}
