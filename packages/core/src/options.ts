/** Checks an option that is a time in milliseconds above 0, `Infinity` included. Throws a `TypeError` or `RangeError`. */
export function durationOption(name: string, value: number): number {
  if (typeof value !== "number" || Number.isNaN(value)) {
    throw new TypeError(`${name}: expected a number of milliseconds, got ${String(value)}`);
  }
  if (value <= 0) throw new RangeError(`${name}: expected more than 0 milliseconds, got ${value}`);
  return value;
}

/** Refuses what is no option: a misspelt one would go unnoticed. Throws a `TypeError`. */
export function checkKeys(factory: string, options: object, names: readonly string[]): void {
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw new TypeError(`${factory}: expected an object of options, got ${String(options)}`);
  }
  const unknown = Object.keys(options).find((key) => !names.includes(key));
  if (unknown !== undefined) {
    throw new TypeError(`${unknown}: no option of ${factory}, which has ${names.join(", ")}`);
  }
}

/** What a number may be. */
export interface NumberRange {
  readonly min: number;
  readonly max: number;
  /** "milliseconds", for one. */
  readonly unit?: string;
  readonly integer?: boolean;
}

/** Throws a `TypeError` or `RangeError` that names the option and its range. */
export function numberOption(name: string, value: number, { min, max, unit, integer = false }: NumberRange): number {
  const range = `${integer ? "an integer" : "a number"} from ${min} to ${max}${unit === undefined ? "" : ` ${unit}`}`;
  if (typeof value !== "number") throw new TypeError(`${name}: expected ${range}, got ${String(value)}`);
  if (!(value >= min && value <= max) || (integer && !Number.isInteger(value))) {
    throw new RangeError(`${name}: expected ${range}, got ${value}`);
  }
  return value;
}

/** Throws a `TypeError` for what is not of that type. */
export function typeOption<T>(name: string, value: T, type: "function" | "boolean" | "string"): T {
  if (typeof value !== type) throw new TypeError(`${name}: expected a ${type}, got ${String(value)}`);
  return value;
}

/** Throws a `TypeError` for what is no clock. */
export function clockOption<T extends { now(): number }>(value: T): T {
  if (typeof value?.now !== "function") throw new TypeError(`clock: expected a clock, got ${String(value)}`);
  return value;
}

/** The longest time that node's timers take: about 25 days. */
export const maxTimerMs: number = 2 ** 31 - 1;
