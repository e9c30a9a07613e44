import { endpointSlices, type ResourceKind, services } from "./resource.ts";

/** What an HTTP request asks for. */
export type Route =
  | {
      readonly kind: "resource";
      readonly resource: ResourceKind;
      readonly namespace: string | undefined;
      readonly name: string | undefined;
    }
  /** Another version or resource of a group that is served. */
  | { readonly kind: "unknownResource" }
  | { readonly kind: "unknownPath" };

const unknownResource: Route = { kind: "unknownResource" };
const unknownPath: Route = { kind: "unknownPath" };

/** Reads a path. In all namespaces there are only lists and watches. */
export function parsePath(path: string): Route {
  const resource = [endpointSlices, services].find(({ root }) => path.startsWith(`${root}/`));
  if (resource === undefined) return path.startsWith("/apis/discovery.k8s.io/") ? unknownResource : unknownPath;
  let parts: readonly string[];
  try {
    parts = path
      .slice(resource.root.length + 1)
      .replace(/\/$/, "")
      .split("/")
      .map((part) => decodeURIComponent(part));
  } catch {
    return unknownResource;
  }
  if (parts.some((part) => part === "")) return unknownResource;
  if (parts.length === 1 && parts[0] === resource.resource) {
    return { kind: "resource", resource, namespace: undefined, name: undefined };
  }
  const [first, namespace, plural, name] = parts;
  if (first !== "namespaces" || plural !== resource.resource || parts.length > 4) return unknownResource;
  return { kind: "resource", resource, namespace, name };
}

/** As the real one reads a boolean: only absence, "0" and "false" are false. */
export function booleanOf(params: URLSearchParams, name: string): boolean | undefined {
  const value = params.get(name);
  return value === null ? undefined : value !== "0" && value.toLowerCase() !== "false";
}

/** The verb that permissions are given for; `undefined` for methods that there is none for. */
export function verbOf(method: string, name: string | undefined, watch: boolean): string | undefined {
  switch (method) {
    case "GET":
      if (name !== undefined) return "get";
      return watch ? "watch" : "list";
    case "POST":
      return "create";
    case "PUT":
      return "update";
    case "PATCH":
      return "patch";
    case "DELETE":
      return name === undefined ? "deletecollection" : "delete";
    default:
      return undefined;
  }
}
