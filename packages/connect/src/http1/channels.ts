import type { Channel } from "@evenkeel/core";

/** The channels of HTTP/1.1 transports, which other transports may be given: a channel does not know what it speaks. */
export const http1Channels: WeakSet<Channel> = new WeakSet();
