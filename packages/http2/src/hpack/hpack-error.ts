/**
 * A header block that cannot be decoded: COMPRESSION_ERROR (RFC 9113, section 4.3). The decoder is out of step with the
 * peer from then on, so the connection is to be closed.
 */
export class HpackError extends Error {
  override readonly name = "HpackError";
}
