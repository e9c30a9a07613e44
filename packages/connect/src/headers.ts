import type { HeaderList } from "@evenkeel/core";

export const noHeaders: HeaderList = Object.freeze([]);

/** What `Headers.get` would say of such a list: all values of the name, joined; `undefined` without any. */
export function headerValue(list: HeaderList, name: string): string | undefined {
  let value: string | undefined;
  for (const header of list) {
    if (header[0] === name) value = value === undefined ? header[1] : `${value}, ${header[1]}`;
  }
  return value;
}

export function hasHeader(list: HeaderList, name: string): boolean {
  for (const header of list) if (header[0] === name) return true;
  return false;
}

/** For those who look. A field that `Headers` does not take is left out: what a peer sends must not break us. */
export function toHeaders(...lists: readonly HeaderList[]): Headers {
  const headers = new Headers();
  for (const list of lists) {
    for (const [name, value] of list) {
      try {
        headers.append(name, value);
      } catch {}
    }
  }
  return headers;
}

/**
 * The headers of a caller as lower-case pairs, each name once but for `set-cookie`.
 *
 * Throws the `TypeError` of `Headers` for what is not allowed in HTTP.
 */
export function toHeaderList(init: HeadersInit | undefined): HeaderList {
  if (init === undefined || init === null) return noHeaders;
  return simpleList(init) ?? [...new Headers(init)];
}

const simpleName = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** Printable ASCII, which needs no trimming. */
const simpleValue = /^(?:[\x21-\x7e]+(?:[\t ]+[\x21-\x7e]+)*)?$/;
/** More pairs than that are for `Headers` to look through. */
const fewHeaders = 16;

/** What `Headers` would make of plain pairs; `undefined` where that takes more than to copy them. */
function simpleList(init: NonNullable<HeadersInit>): HeaderList | undefined {
  if (init instanceof Headers) return undefined;
  const pairs: unknown = Array.isArray(init) ? init : isPlainObject(init) ? Object.entries(init) : undefined;
  if (!Array.isArray(pairs) || pairs.length > fewHeaders) return undefined;
  const list: (readonly [string, string])[] = [];
  for (const pair of pairs) {
    if (!Array.isArray(pair) || pair.length !== 2) return undefined;
    const [name, value] = pair;
    if (typeof name !== "string" || typeof value !== "string") return undefined;
    if (!simpleName.test(name) || !simpleValue.test(value)) return undefined;
    const lower = name.toLowerCase();
    if (hasHeader(list, lower)) return undefined;
    list.push([lower, value]);
  }
  return list;
}

function isPlainObject(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  // symbols are for Headers to refuse
  return (prototype === Object.prototype || prototype === null) && Object.getOwnPropertySymbols(value).length === 0;
}
