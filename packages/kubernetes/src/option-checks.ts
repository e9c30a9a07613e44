/** Throws a `TypeError` for options that are none, or have another name than these. */
export function checkNames(of: string, options: object, names: readonly string[]): void {
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw new TypeError(`${of}: expected options, got ${String(options)}`);
  }
  const wrong = Object.keys(options).find((name) => !names.includes(name));
  if (wrong !== undefined) throw new TypeError(`${of}: unknown option ${wrong}: expected ${names.join(", ")}`);
}

/** As `checkNames`, where all options are texts. */
export function checkTexts(of: string, options: object, names: readonly string[]): void {
  checkNames(of, options, names);
  for (const [name, value] of Object.entries(options)) {
    if (value !== undefined && (typeof value !== "string" || value === "")) {
      throw new TypeError(`${of}: ${name}: expected a text that is not empty`); // it may be a secret
    }
  }
}
