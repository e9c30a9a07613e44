/** Checks an option that is a time in milliseconds above 0, `Infinity` included. Throws a `TypeError` or `RangeError`. */
export function durationOption(name: string, value: number): number {
  if (typeof value !== "number" || Number.isNaN(value)) {
    throw new TypeError(`${name}: expected a number of milliseconds, got ${String(value)}`);
  }
  if (value <= 0) throw new RangeError(`${name}: expected more than 0 milliseconds, got ${value}`);
  return value;
}
