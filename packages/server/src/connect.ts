export { type EndOldStreamsOptions, endOldStreams, streamEndTrailer } from "./end-old-streams.ts";
