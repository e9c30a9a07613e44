/**
 * GOAWAY with NO_ERROR and the last stream id 2^31-1: the notice that a shutdown is imminent, after which streams are
 * still accepted (RFC 9113, section 6.8). node:http2 cannot send it: after `session.goaway(0, 2 ** 31 - 1)` it ignores
 * new streams.
 */
export const goawayNotice: Uint8Array = Uint8Array.from([
  ...[0, 0, 8], // length
  7, // type
  0, // flags
  ...[0, 0, 0, 0], // stream 0: the connection
  ...[0x7f, 0xff, 0xff, 0xff], // last stream id
  ...[0, 0, 0, 0], // NO_ERROR
]);
