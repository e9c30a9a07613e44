import { booleanOf } from "./route.ts";
import { type FieldSelector, parseFieldSelector, parseLabelSelector, type Selector } from "./selector.ts";
import { badRequest, invalid, StatusFailure, unknownFailure } from "./status.ts";

/** The options of a list or a watch, read and checked. */
export interface ListQuery {
  readonly watch: boolean;
  readonly selects: Selector;
  /** Whether a label or field selector was given: then nobody counts what remains. */
  readonly selective: boolean;
  readonly fields: FieldSelector;
  readonly limit: number;
  readonly continue: string | undefined;
  /** 0 where none was given, or "0": any will do. */
  readonly revision: number;
  /** As it was asked for; empty: none. */
  readonly resourceVersion: string;
  readonly match: "" | "Exact" | "NotOlderThan";
  readonly timeoutSeconds: number;
  readonly allowWatchBookmarks: boolean;
  readonly sendInitialEvents: boolean | undefined;
}

/**
 * Throws a `StatusFailure`: 400 for what cannot be read, 422 for what does not go together, 500 for a
 * watch from a version that is none: so does the real one.
 */
export function parseListQuery(params: URLSearchParams): ListQuery {
  const watch = booleanOf(params, "watch") ?? false;
  const labelSelector = params.get("labelSelector") ?? "";
  const fieldSelector = params.get("fieldSelector") ?? "";
  const resourceVersion = params.get("resourceVersion") ?? "";
  const query = {
    watch,
    selects: parseLabelSelector(labelSelector),
    selective: labelSelector !== "" || fieldSelector !== "",
    fields: parseFieldSelector(fieldSelector),
    limit: Math.max(0, integerOf(params, "limit")),
    continue: params.get("continue") || undefined,
    revision: 0,
    resourceVersion,
    match: checkMatch(params, watch),
    timeoutSeconds: integerOf(params, "timeoutSeconds"),
    allowWatchBookmarks: booleanOf(params, "allowWatchBookmarks") ?? false,
    sendInitialEvents: booleanOf(params, "sendInitialEvents"),
  };
  if (!/^\d*$/.test(resourceVersion)) {
    const body = `Invalid value: ${JSON.stringify(resourceVersion)}: ${notParsed("ParseUint", resourceVersion)}`;
    const problem = `resourceVersion: ${body}`;
    throw new StatusFailure(watch ? unknownFailure(problem) : badRequest(`invalid resource version: ${problem}`));
  }
  return { ...query, revision: Number(resourceVersion) };
}

function integerOf(params: URLSearchParams, name: string): number {
  const value = params.get(name);
  if (value === null) return 0;
  if (!/^[-+]?\d+$/.test(value)) throw new StatusFailure(badRequest(notParsed("ParseInt", value)));
  return Number(value);
}

function checkMatch(params: URLSearchParams, watch: boolean): ListQuery["match"] {
  const match = params.get("resourceVersionMatch") ?? "";
  const sendInitialEvents = params.has("sendInitialEvents");
  if (!watch && sendInitialEvents) refuse("sendInitialEvents", "sendInitialEvents is forbidden for list");
  if (watch && sendInitialEvents && match !== "NotOlderThan") {
    refuse("resourceVersionMatch", "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
  }
  if (watch && params.get("continue")) {
    refuse("resourceVersionMatch", "resourceVersionMatch is forbidden when continue is provided");
  }
  if (match === "") return "";
  if (watch && !sendInitialEvents) {
    refuse("resourceVersionMatch", "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided");
  }
  if (match !== "Exact" && match !== "NotOlderThan") {
    const body = `Unsupported value: ${JSON.stringify(match)}: supported values: "Exact", "NotOlderThan", ""`;
    throw new StatusFailure(
      invalid("ListOptions.meta.k8s.io", { field: "resourceVersionMatch", type: "FieldValueNotSupported", body }),
    );
  }
  if (watch) return match;
  if (!params.get("resourceVersion")) {
    refuse("resourceVersionMatch", "resourceVersionMatch is forbidden unless resourceVersion is provided");
  }
  if (params.get("continue")) {
    refuse("resourceVersionMatch", "resourceVersionMatch is forbidden when continue is provided");
  }
  if (match === "Exact" && params.get("resourceVersion") === "0") {
    refuse("resourceVersionMatch", 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"');
  }
  return match;
}

function refuse(field: string, why: string): never {
  const problem = { field, type: "FieldValueForbidden", body: `Forbidden: ${why}` };
  throw new StatusFailure(invalid("ListOptions.meta.k8s.io", problem));
}

function notParsed(parser: string, value: string): string {
  return `strconv.${parser}: parsing ${JSON.stringify(value)}: invalid syntax`;
}
