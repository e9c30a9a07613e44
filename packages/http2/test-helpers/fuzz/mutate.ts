import { type Random, randomInteger } from "./random.ts";

const interesting = [0x00, 0x01, 0x3f, 0x40, 0x7f, 0x80, 0xc0, 0xfe, 0xff] as const;
/** Inputs stay below that, roughly. */
const maxBytes = 64 * 1024;
const frameHeaderBytes = 9;

/** One of the sequences, up to all of it wrong: parts left out, repeated, swapped, taken from others, and bytes changed. */
export function mutate(sequences: readonly (readonly Buffer[])[], random: Random): Buffer[] {
  const parts = pick(sequences, random).slice();
  for (let left = randomInteger(random, 4); left > 0; left--) mutateParts(parts, sequences, random);
  for (let left = randomInteger(random, 4); left > 0; left--) {
    const at = randomInteger(random, parts.length);
    const part = parts[at];
    if (part !== undefined) parts[at] = mutateBytes(part, pick(pick(sequences, random), random), random);
  }
  return parts;
}

/** The same bytes in pieces: one, two, many small ones, or single bytes. */
export function split(bytes: Buffer, random: Random): Buffer[] {
  const kind = random();
  if (kind < 0.3 || bytes.length < 2) return [bytes];
  if (kind < 0.6) {
    const at = 1 + randomInteger(random, bytes.length - 1);
    return [bytes.subarray(0, at), bytes.subarray(at)];
  }
  const most = kind < 0.65 ? 1 : kind < 0.8 ? 20 : 1_000;
  const pieces: Buffer[] = [];
  for (let start = 0; start < bytes.length; ) {
    const end = start + 1 + randomInteger(random, most);
    pieces.push(bytes.subarray(start, end));
    start = end;
  }
  return pieces;
}

function mutateParts(parts: Buffer[], sequences: readonly (readonly Buffer[])[], random: Random): void {
  const at = randomInteger(random, parts.length + 1);
  const part = parts[at] ?? Buffer.alloc(0);
  switch (randomInteger(random, 6)) {
    case 0:
      parts.splice(at, 1);
      break;
    case 1:
      parts.splice(at, 0, part);
      break;
    case 2: {
      const times = Math.min(1 + randomInteger(random, 100), Math.floor(maxBytes / (part.length + 1)));
      parts.splice(at, 0, ...Array<Buffer>(times).fill(part));
      break;
    }
    case 3: {
      const other = randomInteger(random, parts.length + 1);
      parts[at] = parts[other] ?? part;
      parts[other] = part;
      break;
    }
    case 4:
      parts.splice(at, 0, pick(pick(sequences, random), random));
      break;
    default: // another one from there on
      parts.splice(at, parts.length, ...pick(sequences, random).slice(at));
  }
}

function mutateBytes(part: Buffer, other: Buffer, random: Random): Buffer {
  const at = randomInteger(random, part.length + 1);
  switch (randomInteger(random, 8)) {
    case 0:
      return part.subarray(0, at);
    case 1:
      return Buffer.concat([part.subarray(0, at), other.subarray(randomInteger(random, other.length + 1))]);
    case 2: {
      const bytes = Buffer.from(Array.from({ length: 1 + randomInteger(random, 8) }, () => randomInteger(random, 256)));
      return Buffer.concat([part.subarray(0, at), bytes, part.subarray(at)]);
    }
    case 3:
      return Buffer.concat([part.subarray(0, at), part.subarray(at + 1 + randomInteger(random, 8))]);
    case 4:
      return changed(part, at, pick(interesting, random));
    case 5: // where frames have their length, type, flags and stream id
      return changed(
        part,
        randomInteger(random, frameHeaderBytes),
        random() < 0.5 ? randomInteger(random, 16) : 1 << (at % 8),
      );
    default:
      return changed(part, at, (part[at] ?? 0) ^ (1 << randomInteger(random, 8)));
  }
}

function changed(part: Buffer, at: number, byte: number): Buffer {
  const copy = Buffer.from(part);
  if (at < copy.length) copy[at] = byte;
  return copy;
}

function pick<T>(items: readonly T[], random: Random): T {
  return items[randomInteger(random, items.length)] as T;
}
