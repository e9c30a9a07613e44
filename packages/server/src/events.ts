import { type Channel, channel } from "node:diagnostics_channel";
import type { ConnectionEvent } from "./connection/connection.ts";

/** Name of the node:diagnostics_channel on which every lifecycle publishes its `ConnectionEvent`s. */
export const connectionChannel = "evenkeel:server.connection";

const connections: Channel = channel(connectionChannel);

export function publish(event: ConnectionEvent): void {
  if (connections.hasSubscribers) connections.publish(event);
}
