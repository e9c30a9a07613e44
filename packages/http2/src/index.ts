export { createHttp2Connector, type Http2ConnectorOptions } from "./connector.ts";
export type { NodeOptions } from "./dial.ts";
export type { KeepaliveOptions } from "./keepalive.ts";
// what connectors share that dial otherwise
export { explainDialError } from "./dial-error.ts";
export { connectEvent, setReferenced } from "./socket.ts";
export { deadStream } from "./dead-stream.ts";
export { unavailable } from "./unavailable.ts";
export { ErrorCode } from "./error-code.ts";
