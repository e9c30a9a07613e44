/** The symbols whose Huffman codes have up to 11 bits (there are none of 9), in the order of their codes (RFC 7541, appendix B). */
const symbols: readonly (readonly [bits: number, text: string])[] = [
  [5, "012aceiost"],
  [6, " %-./3456789=A_bdfghlmnpru"],
  [7, ":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz"],
  [8, "&*,;XZ"],
  [10, '!"()?'],
  [11, "'+|"],
];

const codes = new Map<string, { readonly bits: number; readonly code: number }>();

// the code is canonical: each is the one before it plus one, shifted where they get longer
let next = 0;
let width = 5;
for (const [bits, text] of symbols) {
  next <<= bits - width;
  width = bits;
  for (const symbol of text) codes.set(symbol, { bits, code: next++ });
}

/** Throws a `RangeError` for a character whose code is longer than eleven bits. */
function huffman(text: string): number[] {
  const bytes: number[] = [];
  let pending = 0;
  let pendingBits = 0;
  for (const symbol of text) {
    const found = codes.get(symbol);
    if (found === undefined) throw new RangeError(`no short Huffman code for ${JSON.stringify(symbol)}`);
    pending = (pending << found.bits) | found.code;
    pendingBits += found.bits;
    while (pendingBits >= 8) {
      pendingBits -= 8;
      bytes.push((pending >> pendingBits) & 0xff);
    }
    pending &= (1 << pendingBits) - 1;
  }
  if (pendingBits > 0) bytes.push(((pending << (8 - pendingBits)) | (0xff >> pendingBits)) & 0xff);
  return bytes;
}

/** An integer with a prefix of `bits` bits; `flags` are the bits before it. */
function integer(value: number, bits: number, flags: number): number[] {
  const max = 2 ** bits - 1;
  if (value < max) return [flags | value];
  const bytes = [flags | max];
  let rest = value - max;
  for (; rest >= 128; rest >>= 7) bytes.push((rest & 127) | 128);
  bytes.push(rest);
  return bytes;
}

function string(text: string): number[] {
  const bytes = huffman(text);
  return [...integer(bytes.length, 7, 0x80), ...bytes];
}

/** Names of the static table that are used here. */
const staticNames = new Map([
  ["content-length", 28],
  ["content-type", 31],
  ["date", 33],
]);

/** A header block that leaves the dynamic table alone. `:status` 200 comes first where `status` is true. */
export function headerBlock(status: boolean, fields: readonly (readonly [name: string, value: string])[]): Buffer {
  const bytes = status ? [0x88] : [];
  for (const [name, value] of fields) {
    const index = staticNames.get(name);
    if (index === undefined) bytes.push(0, ...string(name));
    else bytes.push(...integer(index, 4, 0));
    bytes.push(...string(value));
  }
  return Buffer.from(bytes);
}
