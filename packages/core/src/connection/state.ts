/** The states of gRPC's connectivity API, and `draining`: no new streams, those under way finish. */
export type ConnectivityState = "idle" | "connecting" | "ready" | "draining" | "transientFailure" | "shutdown";
