import type { Connection } from "../src/connection/connection.ts";
import type { StreamEnd } from "../src/connection/stream.ts";

/** Opens a stream; `ends` gets how it ended. */
export function openStream(connection: Connection, ends: StreamEnd[] = []): StreamEnd[] {
  connection.open(
    { method: "POST", path: "/demo.v1.Demo/Call", headers: [], endStream: true },
    { headers() {}, data() {}, drained() {}, trailers() {}, closed: (end) => ends.push(end) },
  );
  return ends;
}
