/** Reads the value of a field, which errors call `path`. Throws a `TypeError` or `RangeError`. */
export type Field<T> = (value: unknown, path: string) => T;

/** The fields of a JSON object, by their names. */
export type Fields = Readonly<Record<string, Field<unknown>>>;

/** What was read: fields that are not there, or are `null`, have no property. */
export type Values<F extends Fields> = { readonly [Name in keyof F]?: ReturnType<F[Name]> };

export interface Range {
  readonly min: number;
  readonly max: number;
}

/**
 * Reads an object in the JSON of proto3. `path` is what errors call it, "" at the top.
 *
 * Unlike gRPC, which skips them, it refuses fields that it does not know: one that is misspelt would go unnoticed. Throws a
 * `TypeError` or `RangeError` that names the field.
 */
export function readFields<F extends Fields>(json: unknown, path: string, fields: F): Values<F> {
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw new TypeError(`${path === "" ? "" : `${path}: `}expected an object of fields, got ${describe(json)}`);
  }
  const values: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(json)) {
    const fieldPath = path === "" ? name : `${path}.${name}`;
    const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (field === undefined) {
      const owner = path === "" ? "this policy" : path;
      throw new TypeError(`${fieldPath}: no field of ${owner}, which has ${Object.keys(fields).join(", ")}`);
    }
    if (value !== null) values[name] = field(value, fieldPath);
  }
  return values as Values<F>;
}

/** A message within another. */
export function message<F extends Fields>(fields: F): Field<Values<F>> {
  return (value, path) => readFields(value, path, fields);
}

/** A `uint32`, `uint64` or their wrapper, as a number or a string of one. */
export function integer(range: Range): Field<number> {
  return numeric(range, `an integer from ${range.min} to ${range.max}`, Number.isInteger);
}

/** A `double`, `float` or their wrapper, as a number or a string of one; "Infinity" is only to be had as a string. */
export function decimal(range: Range): Field<number> {
  return numeric(range, `a number from ${range.min} to ${range.max}`, () => true);
}

const numeral = /^-?(\d+(\.\d+)?([eE][+-]?\d+)?|Infinity)$/;

function numeric({ min, max }: Range, expected: string, isRight: (number: number) => boolean): Field<number> {
  return (value, path) => {
    const number = typeof value === "string" && numeral.test(value) ? Number(value) : value;
    const complaint = `${path}: expected ${expected}, got ${describe(value)}`;
    if (typeof number !== "number") throw new TypeError(complaint);
    if (!(number >= min && number <= max && isRight(number))) throw new RangeError(complaint);
    return number;
  };
}

/** A `google.protobuf.Duration`, "1.5s". The range, and what is returned, are in milliseconds. */
export function duration({ min, max }: Range): Field<number> {
  const expected = `a duration from "${min / 1_000}s" to "${max / 1_000}s"`;
  return (value, path) => {
    const complaint = `${path}: expected ${expected}, got ${describe(value)}`;
    const [, sign, seconds, fraction = ""] = (typeof value === "string" && durationForm.exec(value)) || [];
    if (seconds === undefined) throw new TypeError(complaint);
    // seconds × 1000 would not be exact
    const ms = Number(seconds) * 1_000 + Number(fraction.padEnd(9, "0")) / 1_000_000;
    if (sign === "-" || ms < min || ms > max) throw new RangeError(complaint);
    return ms;
  };
}

const durationForm = /^(-?)(\d+)(?:\.(\d{1,9}))?s$/;

/** A string that is not empty: what that is, and its form where it has one, errors say. */
export function text(expected: string, form: RegExp = /./): Field<string> {
  return (value, path) => {
    if (typeof value === "string" && form.test(value)) return value;
    throw new TypeError(`${path}: expected ${expected}, got ${describe(value)}`);
  };
}

/** One of these strings. */
export function oneOf<T extends string>(...names: readonly T[]): Field<T> {
  return (value, path) => {
    const name = names.find((each) => each === value);
    if (name !== undefined) return name;
    throw new TypeError(`${path}: expected ${names.map(describe).join(" or ")}, got ${describe(value)}`);
  };
}

/** Without what is `undefined`: an option that is not given has no property. */
export function defined<T extends object>(options: T): { readonly [Name in keyof T]?: Exclude<T[Name], undefined> } {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as { [Name in keyof T]?: Exclude<T[Name], undefined> };
}

const longestDescription = 60;

/** A value as it was written; configs come from others, and may be long. */
function describe(value: unknown): string {
  const json = String(JSON.stringify(value));
  return json.length > longestDescription ? `${json.slice(0, longestDescription)}…` : json;
}
