import type { EndpointSlice, SliceEndpoint } from "./endpoint-slice.ts";
import type { Service } from "./service-api.ts";

/** What an API server sent is not what it should be. Nothing of it is used. */
export class MalformedError extends Error {
  override readonly name = "MalformedError";
}

/** Names what was to be expected, and shows the beginning of what came. */
export function malformed(what: string, came: string | undefined, options?: ErrorOptions): MalformedError {
  return new MalformedError(`the API server sent something that is no ${what}: ${came?.slice(0, 200)}`, options);
}

/** Returns `value`; throws a `MalformedError` unless what is read of it has the right type. */
export function checkedSlice(value: unknown): EndpointSlice {
  const { metadata, endpoints, ports } = objectOf(value) as Partial<EndpointSlice>;
  const isWhole = typeof metadata?.name === "string" && isList(endpoints, isEndpoint) && isList(ports, isObject);
  if (!isWhole) throw malformed("EndpointSlice", JSON.stringify(value));
  return value as EndpointSlice;
}

/** As `checkedSlice`. */
export function checkedService(value: unknown): Service {
  const { spec } = objectOf(value) as Partial<Service>;
  if (!isList(spec?.ports, isObject)) throw malformed("Service", JSON.stringify(value));
  return objectOf(value);
}

/** `value`, or an empty object where it is none. */
export function objectOf(value: unknown): object {
  return isObject(value) ? value : {};
}

function isEndpoint(value: unknown): boolean {
  const { addresses, conditions, targetRef, hints } = objectOf(value) as Partial<SliceEndpoint>;
  const areObjects = [conditions, targetRef, hints].every((each) => each == null || isObject(each));
  if (!isObject(value) || !areObjects || !isList(addresses, isString)) return false;
  return isList(hints?.forZones, isNamed) && isList(hints?.forNodes, isNamed);
}

function isNamed(value: unknown): boolean {
  return isString((objectOf(value) as { readonly name?: unknown }).name);
}

/** Whether it is a list of such items, or none. */
function isList(value: unknown, isItem: (item: unknown) => boolean): boolean {
  return value == null || (Array.isArray(value) && value.every(isItem));
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function isString(value: unknown): value is string {
  return typeof value === "string";
}
