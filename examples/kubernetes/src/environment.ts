/** The integer in an environment variable, or `fallback` where it is not set. Throws a `RangeError` that names it. */
export function integerOf(name: string, fallback: number, least: number, most: number): number {
  const text = process.env[name] ?? "";
  if (text === "") return fallback;
  const value = Number(text);
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new RangeError(`${name}: expected an integer from ${least} to ${most}, got ${JSON.stringify(text)}`);
}

/** One of the words in an environment variable, or the first where it is not set. Throws a `RangeError` that names it. */
export function wordOf<Word extends string>(name: string, words: readonly [Word, ...Word[]]): Word {
  const text = process.env[name] ?? "";
  if (text === "") return words[0];
  const found = words.find((word) => word === text);
  if (found !== undefined) return found;
  throw new RangeError(`${name}: expected ${words.join(" or ")}, got ${JSON.stringify(text)}`);
}
