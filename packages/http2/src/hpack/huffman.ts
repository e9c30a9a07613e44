import { HpackError } from "./hpack-error.ts";

/** The length in bits of the code of every byte, and of EOS (RFC 7541, appendix B). */
const codeLengths: readonly number[] = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28,
  28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6,
  5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23,
  22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22,
  23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26,
  20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27,
  27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27,
  27, 27, 27, 26, 30,
];
const endOfString = 256;
const shortestCode = 5;
const longestCode = 30;

const codes = canonicalCodes();

/** The code is canonical: codes count upwards by length, and by symbol within a length. */
function canonicalCodes(): Uint32Array {
  const result = new Uint32Array(codeLengths.length);
  let code = 0;
  for (let length = shortestCode; length <= longestCode; length++) {
    for (const [symbol, symbolLength] of codeLengths.entries()) {
      if (symbolLength === length) result[symbol] = code++;
    }
    code *= 2;
  }
  return result;
}

/**
 * What 4 bits do in each of the 256 states, the inner nodes of the code's tree: the next state in the bits of
 * `stateMask`, and `ended`, or `emits` with the byte in the top 8 bits; all codes are longer, so it is one at most.
 */
const stateMask = 0xff0;
const emitsBit = 12;
const emits = 1 << emitsBit;
const ended = 1 << 13;
const transitions = buildTransitions();

/** States 0 to 7 are those after so many ones since the last symbol: where a string may end. */
const lastFinalState = 7 << 4;

function buildTransitions(): Uint32Array {
  const tree = buildTree();
  const result = new Uint32Array(256 * 16);
  for (let position = 0; position < result.length; position++) {
    let node = position >> 4;
    let output = 0;
    for (let bit = 3; bit >= 0; bit--) {
      const next = tree[node * 2 + ((position >> bit) & 1)] as number;
      if (next < 0) output = ~next === endOfString ? ended : (~next << 24) | emits;
      node = Math.max(next, 0);
    }
    result[position] = output | (node << 4);
  }
  return result;
}

/** Both children of every node: another node, or `~symbol`. EOS, all ones, is first, so that node 7 is that of 7 ones. */
function buildTree(): Int16Array {
  const tree = new Int16Array(256 * 2);
  let nodes = 1;
  for (let symbol = endOfString; symbol >= 0; symbol--) {
    let node = 0;
    for (let bit = (codeLengths[symbol] as number) - 1; bit >= 0; bit--) {
      const branch = node * 2 + (((codes[symbol] as number) >>> bit) & 1);
      if (bit === 0) tree[branch] = ~symbol;
      else if (tree[branch] === 0) tree[branch] = nodes++;
      node = tree[branch] as number;
    }
  }
  return tree;
}

/** Where strings are put together; longer ones get memory of their own. */
const scratch = Buffer.allocUnsafeSlow(4096);

/** Decodes `bytes` from `start` to `end` to latin1. Throws an `HpackError` for what RFC 7541, section 5.2, forbids. */
export function decodeHuffman(bytes: Buffer, start: number, end: number): string {
  // one more, as what is not emitted is written all the same
  const room = Math.floor(((end - start) * 8) / shortestCode) + 1;
  const text = room <= scratch.length ? scratch : Buffer.allocUnsafe(room);
  let length = 0;
  let state = 0;
  let seen = 0;
  for (let position = start; position < end; position++) {
    const byte = bytes[position] as number;
    const high = transitions[state | (byte >> 4)] as number;
    text[length] = high >>> 24;
    length += (high >> emitsBit) & 1;
    const low = transitions[(high & stateMask) | (byte & 0xf)] as number;
    text[length] = low >>> 24;
    length += (low >> emitsBit) & 1;
    state = low & stateMask;
    seen |= high | low;
  }
  if ((seen & ended) !== 0) throw new HpackError("the end-of-string symbol in a Huffman-coded string");
  if (state > lastFinalState) throw new HpackError("a Huffman-coded string with a padding that is not up to 7 ones");
  return text.toString("latin1", 0, length);
}

/** Encodes latin1. Not written for speed. */
export function encodeHuffman(text: string): Buffer {
  let bits = "";
  for (const byte of Buffer.from(text, "latin1")) {
    bits += (codes[byte] as number).toString(2).padStart(codeLengths[byte] as number, "0");
  }
  bits = bits.padEnd(Math.ceil(bits.length / 8) * 8, "1");
  return Buffer.from(bits.match(/.{8}/g)?.map((byte) => Number.parseInt(byte, 2)) ?? []);
}
