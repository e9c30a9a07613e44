import type { SliceEndpoint } from "@evenkeel/kubernetes";

/** An endpoint that is to be in some slice. */
export interface DesiredEndpoint {
  /** What makes it the same endpoint, whatever else of it changes. */
  readonly key: string;
  /** Slices have endpoints of one port. */
  readonly port: number;
  readonly endpoint: SliceEndpoint;
}

export interface PackedSlice {
  /** `undefined`: it is new. */
  readonly name: string | undefined;
  /** `undefined`: it has no endpoints, and stands for a Service that has none. */
  readonly port: number | undefined;
  readonly endpoints: readonly DesiredEndpoint[];
}

/** What has to be written, so that slices hold what they should. */
export interface SliceChanges {
  readonly set: readonly PackedSlice[];
  readonly delete: readonly string[];
}

/** A slice while endpoints are moved. */
interface Draft {
  name: string | undefined;
  readonly port: number;
  endpoints: DesiredEndpoint[];
  changed: boolean;
}

/**
 * Packs endpoints into slices as Kubernetes' endpointslice controller does: an endpoint stays where it is; new ones go
 * to slices that change anyway, then together into one that has room for all of them, else into new ones; nothing is
 * ever rebalanced. A slice without endpoints is deleted, or becomes what would be a new one. When no endpoint is left,
 * one slice without any stays.
 */
export function packSlices(
  existing: readonly PackedSlice[],
  desired: readonly DesiredEndpoint[],
  maxEndpoints: number,
): SliceChanges {
  const set: PackedSlice[] = [];
  const create: Draft[] = [];
  const free: string[] = [];
  const ports = new Set([...existing.map(({ port }) => port), ...desired.map(({ port }) => port)]);
  for (const port of ports) {
    const before = existing.filter((slice) => slice.port === port);
    if (port === undefined) {
      free.push(...before.map(({ name }) => name as string));
      continue;
    }
    const wanted = desired.filter((each) => each.port === port);
    for (const draft of packPort(before, wanted, port, maxEndpoints)) {
      if (draft.endpoints.length === 0) free.push(draft.name as string);
      else if (draft.name === undefined) create.push(draft);
      else if (draft.changed) set.push(draft);
    }
  }
  for (const draft of create) set.push({ ...draft, name: free.pop() });
  if (desired.length === 0) {
    const placeholder = existing.find(({ port }) => port === undefined)?.name;
    if (placeholder !== undefined) return { set: [], delete: free.filter((name) => name !== placeholder) };
    set.push({ name: free.pop(), port: undefined, endpoints: [] });
  }
  return { set, delete: free };
}

function packPort(
  existing: readonly PackedSlice[],
  desired: readonly DesiredEndpoint[],
  port: number,
  maxEndpoints: number,
): Draft[] {
  const left = new Map(desired.map((each) => [each.key, each]));
  const drafts = existing.map(({ name, endpoints }): Draft => {
    const kept = endpoints.map(({ key }) => left.get(key)).filter((each) => each !== undefined);
    const changed = kept.length < endpoints.length || kept.some((each, index) => !isSame(each, endpoints[index]));
    for (const { key } of kept) left.delete(key);
    return { name, port, endpoints: kept, changed };
  });
  const fill = (draft: Draft): void => {
    const added = [...left.values()].slice(0, maxEndpoints - draft.endpoints.length);
    for (const { key } of added) left.delete(key);
    if (added.length > 0) draft.changed = true;
    draft.endpoints.push(...added);
  };
  const changing = drafts.filter(({ changed, endpoints }) => changed && endpoints.length > 0);
  for (const draft of changing.sort((a, b) => b.endpoints.length - a.endpoints.length)) fill(draft);
  while (left.size > 0) {
    const room = drafts
      .filter((draft) => !draft.changed && draft.endpoints.length + left.size <= maxEndpoints)
      .sort((a, b) => b.endpoints.length - a.endpoints.length)[0];
    const draft = room ?? { name: undefined, port, endpoints: [], changed: true };
    if (room === undefined) drafts.push(draft);
    fill(draft);
  }
  return drafts;
}

function isSame(a: DesiredEndpoint, b: DesiredEndpoint | undefined): boolean {
  return JSON.stringify(a.endpoint) === JSON.stringify(b?.endpoint);
}
