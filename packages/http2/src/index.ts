export { createHttp2Connector, type Http2ConnectorOptions } from "./connector.ts";
export type { NodeOptions } from "./dial.ts";
export type { KeepaliveOptions } from "./keepalive.ts";
