import type { Random } from "@evenkeel/core";

/**
 * Random numbers that are the same in every run: sfc32, Chris Doty-Humphrey's "small fast counting" generator from
 * PractRand, seeded as there. 32 bits of randomness a number.
 *
 * `seed` is any safe integer; neighbouring seeds give unrelated numbers. Throws a `RangeError` for anything else.
 */
export function seededRandom(seed: number): Random {
  if (!Number.isSafeInteger(seed)) throw new RangeError(`seed: expected a safe integer, got ${seed}`);
  let a = 0;
  let b = seed | 0;
  let c = Math.floor(seed / 2 ** 32) | 0;
  let counter = 1;
  const next = (): number => {
    const result = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + result) | 0;
    return (result >>> 0) / 2 ** 32;
  };
  for (let round = 0; round < 12; round++) next();
  return next;
}
