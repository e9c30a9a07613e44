import type { Stream } from "@evenkeel/core";

/** What `open` gives when a connection takes no streams. */
export const deadStream: Stream = { write: () => true, end() {}, pause() {}, resume() {}, cancel() {} };
