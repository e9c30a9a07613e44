/** Both latin1: one character a byte. */
export type HeaderField = readonly [name: string, value: string];

/** What a field counts for in a table (RFC 7541, section 4.1) and in a header list (RFC 9113, section 6.5.2). */
export function sizeOfField(field: HeaderField): number {
  return field[0].length + field[1].length + 32;
}
