import type { Endpoint } from "../endpoint/endpoint.ts";

/** What turns one set of endpoints into another. */
export interface EndpointChanges {
  readonly added: readonly Endpoint[];
  /** Same key, anything else different: the connection stays unless the addresses changed. */
  readonly updated: readonly Endpoint[];
  readonly removed: readonly Endpoint[];
}

/** Compares by `Endpoint.key`; of endpoints with the same key in `next` the first counts. */
export function reconcile(current: ReadonlyMap<string, Endpoint>, next: readonly Endpoint[]): EndpointChanges {
  const added: Endpoint[] = [];
  const updated: Endpoint[] = [];
  const keys = new Set<string>();
  for (const endpoint of next) {
    if (keys.has(endpoint.key)) continue;
    keys.add(endpoint.key);
    const known = current.get(endpoint.key);
    if (known === undefined) added.push(endpoint);
    else if (known !== endpoint) updated.push(endpoint);
  }
  const removed = [...current.values()].filter((endpoint) => !keys.has(endpoint.key));
  return { added, updated, removed };
}
