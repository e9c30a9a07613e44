/**
 * How far a stream got when it ended, which decides what may be sent again.
 *
 * - `unsent`: its HEADERS were never written.
 * - `unprocessed`: the server said that it did not process it: its id is above the GOAWAY's last stream id
 *   (RFC 9113, section 6.8), or it was reset with REFUSED_STREAM (section 8.7).
 * - `ambiguous`: it was sent, and nobody knows what became of it.
 * - `answered`: its response is complete: END_STREAM arrived.
 */
export type StreamFate = "unsent" | "unprocessed" | "ambiguous" | "answered";
