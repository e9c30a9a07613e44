import type { ListQuery } from "./list-query.ts";
import { itemText, type ObjectStore, type Version } from "./object-store.ts";
import { typeMeta } from "./resource.ts";
import type { Revisions } from "./revisions.ts";
import { badRequest, expired, StatusFailure, tooLargeResourceVersion } from "./status.ts";

/** Milliseconds for which a list waits for a revision that is not there yet, as the real one. */
export const freshnessMs = 3_000;

interface Token {
  readonly revision: number;
  readonly start: string;
}

const tooOld = "The resourceVersion for the provided list is too old.";
const inconsistent =
  "The provided continue parameter is too old to display a consistent list result. You can start a new list without " +
  "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. " +
  "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or " +
  "deleted between the time the first chunk was returned and now may show up in the list.";

/** Whether an object is in what was asked for. */
export function isSelected(query: ListQuery, namespace: string | undefined, version: Version): boolean {
  const { fields } = query;
  return (
    (namespace === undefined || version.namespace === namespace) &&
    (fields.namespace === undefined || version.namespace === fields.namespace) &&
    (fields.name === undefined || version.name === fields.name) &&
    query.selects(version.labels)
  );
}

/**
 * The body of a list. Rejects with a `StatusFailure`: 400 for a continue token that is none, 410 for what is forgotten,
 * 504 for a revision that does not come.
 */
export async function listText(
  store: ObjectStore,
  revisions: Revisions,
  namespace: string | undefined,
  query: ListQuery,
): Promise<string> {
  const prefix = namespace === undefined ? "" : `${namespace}/`;
  const token = query.continue === undefined ? undefined : readToken(query.continue, prefix);
  if (token !== undefined && query.revision > 0) {
    throw new StatusFailure(badRequest("specifying resource version is not allowed when using continue"));
  }
  if (!(await revisions.reached(query.revision, freshnessMs))) {
    throw new StatusFailure(tooLargeResourceVersion(query.revision, revisions.current));
  }
  const { revision, versions } = look(store, revisions, query, token, prefix);
  const all = versions.filter(({ key }) => key.startsWith(prefix) && (token === undefined || key >= token.start));
  // as the real one does, a list at "0" has no pages, and one with a selector may end with an empty page
  const limit = query.resourceVersion === "0" ? 0 : query.limit;
  const items: Version[] = [];
  let scanned = 0;
  while (scanned < all.length && (limit === 0 || items.length < limit)) {
    const version = all[scanned++] as Version;
    if (isSelected(query, namespace, version)) items.push(version);
  }
  const last = items.at(-1);
  const metadata = {
    resourceVersion: String(revision),
    ...(scanned < all.length && last !== undefined && { continue: writeToken(revision, `${last.key}\0`, prefix) }),
    ...(scanned < all.length && !query.selective && { remainingItemCount: all.length - scanned }),
  };
  const head = `{${typeMeta({ ...store.kind, kind: `${store.kind.kind}List` })},"metadata":${JSON.stringify(metadata)}`;
  return `${head},"items":[${items.map((version) => itemText(store.kind, version)).join(",")}]}\n`;
}

/** The objects that the list is made of, and the revision it is told to be of. */
function look(
  store: ObjectStore,
  revisions: Revisions,
  query: ListQuery,
  token: Token | undefined,
  prefix: string,
): { readonly revision: number; readonly versions: readonly Version[] } {
  if (token !== undefined && token.revision > 0) {
    const versions = store.at(token.revision);
    if (versions === undefined) throw new StatusFailure(expired(inconsistent, writeToken(-1, token.start, prefix)));
    return { revision: token.revision, versions };
  }
  // pages of a revision without a match are exact, too: a rule from before there was a match
  if (query.match === "Exact" || (query.match === "" && query.limit > 0 && query.revision > 0)) {
    const versions = store.at(query.revision);
    if (versions === undefined) throw new StatusFailure(expired(tooOld));
    return { revision: query.revision, versions };
  }
  return { revision: revisions.current, versions: store.all() };
}

function writeToken(revision: number, key: string, prefix: string): string {
  const start = key.slice(prefix.length);
  const text = JSON.stringify({ v: "meta.k8s.io/v1", rv: revision, start: revision === -1 ? start : `/${start}` });
  return Buffer.from(text).toString("base64url");
}

function readToken(text: string, prefix: string): Token {
  const invalid = (why: string): StatusFailure =>
    new StatusFailure(badRequest(`invalid continue token: continue key is not valid: ${why}`));
  let token: { v?: unknown; rv?: unknown; start?: unknown };
  try {
    token = JSON.parse(Buffer.from(text, "base64url").toString());
  } catch {
    throw invalid("invalid character looking for beginning of value");
  }
  const { v, rv, start } = token ?? {};
  if (v !== "meta.k8s.io/v1") throw invalid(`server does not recognize this encoded version ${String(v)}`);
  if (typeof rv !== "number" || rv === 0)
    throw invalid("incorrect encoded start resourceVersion (version meta.k8s.io/v1)");
  if (typeof start !== "string" || !/^\/?[^/]/.test(start)) throw invalid(String(start));
  return { revision: rv, start: prefix + start.replace(/^\//, "") };
}
