import { randomUUID } from "node:crypto";
import type { ObjectMeta } from "@evenkeel/kubernetes";
import { type ResourceKind, typeMeta } from "./resource.ts";
import type { Revisions } from "./revisions.ts";

/** Whatever is stored: its metadata, and what its kind has beside them. */
export interface ApiObject {
  readonly kind?: string;
  readonly apiVersion?: string;
  readonly metadata: ObjectMeta & { readonly generation?: number; readonly creationTimestamp?: string };
}

/** An object as it was from one revision on; never changed. Kept as text, which is what it is wanted for. */
export interface Version {
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly revision: number;
  readonly identity: {
    readonly uid: string;
    readonly creationTimestamp: string;
    readonly generation: number;
  };
  /** The members of the object's metadata that the caller gave. */
  readonly metadata: string;
  /** The object's other members. */
  readonly rest: string;
}

/** What became of one object in one revision. */
export interface Change {
  readonly revision: number;
  readonly before: Version | undefined;
  readonly after: Version | undefined;
}

/** The objects of one kind, with the changes that are not forgotten yet. */
export class ObjectStore {
  readonly kind: ResourceKind;
  readonly #revisions: Revisions;
  readonly #historyLimit: number;
  readonly #objects = new Map<string, Version>();
  readonly #listeners = new Set<(change: Change) => void>();
  #history: Change[] = [];
  #oldest: number;
  #latest = 0;

  constructor(kind: ResourceKind, revisions: Revisions, historyLimit: number) {
    this.kind = kind;
    this.#revisions = revisions;
    this.#historyLimit = historyLimit;
    this.#oldest = revisions.current;
  }

  /** What came after this revision is known; what was before is not. */
  get oldest(): number {
    return this.#oldest;
  }

  /** The revision of the last change; 0 before the first. */
  get latest(): number {
    return this.#latest;
  }

  get(namespace: string, name: string): Version | undefined {
    return this.#objects.get(`${namespace}/${name}`);
  }

  /**
   * Creates or replaces an object. One that says what is stored already changes nothing; one with another UID is another
   * object, before which the old one is deleted. What the server gives is its own to give, whatever `object` has there.
   */
  set(object: ApiObject): Version {
    const { metadata, kind: _kind, apiVersion: _apiVersion, ...others } = object;
    const { resourceVersion: _version, generation: _generation, creationTimestamp: _creation, ...own } = metadata;
    const { name, namespace = "default", uid, ...more } = own;
    const key = `${namespace}/${name}`;
    const old = this.#objects.get(key);
    if (old !== undefined && uid !== undefined && uid !== old.identity.uid) this.delete(namespace, name);
    const before = this.#objects.get(key);
    const given = JSON.stringify(more).slice(1, -1);
    const rest = JSON.stringify(others).slice(1, -1);
    if (before?.metadata === given && before.rest === rest) return before;
    const made = { uid: uid ?? randomUUID(), creationTimestamp: now(), generation: 0 };
    const { generation, ...identity } = before?.identity ?? made;
    const after: Version = {
      key,
      namespace,
      name,
      labels: { ...more.labels },
      revision: this.#revisions.next(),
      identity: { ...identity, generation: generation + 1 },
      metadata: given,
      rest,
    };
    this.#objects.set(key, after);
    this.#changed({ revision: after.revision, before, after });
    return after;
  }

  /** Whether there was one. */
  delete(namespace: string, name: string): boolean {
    const before = this.#objects.get(`${namespace}/${name}`);
    if (before === undefined) return false;
    this.#objects.delete(before.key);
    this.#changed({ revision: this.#revisions.next(), before, after: undefined });
    return true;
  }

  /** Everything as it is now, by key. */
  all(): Version[] {
    return sorted(this.#objects);
  }

  /** Everything as it was at `revision`, by key; `undefined` when that is forgotten. */
  at(revision: number): Version[] | undefined {
    if (revision < this.#oldest) return undefined;
    const objects = new Map(this.#objects);
    for (const { before, after } of this.#since(revision).reverse()) {
      if (before !== undefined) objects.set(before.key, before);
      else if (after !== undefined) objects.delete(after.key);
    }
    return sorted(objects);
  }

  /** The changes after `revision`, in order; `undefined` when they are forgotten. */
  since(revision: number): readonly Change[] | undefined {
    return revision < this.#oldest ? undefined : this.#since(revision);
  }

  /** Forgets everything before the current revision. */
  compact(): void {
    this.#history = [];
    this.#oldest = this.#revisions.current;
  }

  /** Calls `listener` at every change from now on. Returns what ends that. */
  subscribe(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #since(revision: number): Change[] {
    let start = this.#history.length;
    while (start > 0 && (this.#history[start - 1] as Change).revision > revision) start--;
    return this.#history.slice(start);
  }

  #changed(change: Change): void {
    this.#latest = change.revision;
    this.#history.push(change);
    // in blocks: to shift a long array at every change is slow
    if (this.#history.length >= 2 * this.#historyLimit) {
      const forgotten = this.#history.splice(0, this.#history.length - this.#historyLimit);
      this.#oldest = (forgotten.at(-1) as Change).revision;
    }
    for (const listener of [...this.#listeners]) listener(change);
  }
}

/** An object as it stands in the items of a list. */
export function itemText(kind: ResourceKind, version: Version): string {
  return `{${membersOf(kind, version, version.revision)}}`;
}

/** An object that stands alone. */
export function objectText(kind: ResourceKind, version: Version, revision: number = version.revision): string {
  return `{${typeMeta(kind)},${membersOf(kind, version, revision)}}`;
}

function membersOf(kind: ResourceKind, version: Version, revision: number): string {
  const { name, namespace, identity, metadata, rest } = version;
  const { uid, creationTimestamp, generation } = identity;
  const counted = kind.counted ? `,"generation":${generation}` : "";
  const own =
    `"name":${JSON.stringify(name)},"namespace":${JSON.stringify(namespace)},"uid":"${uid}",` +
    `"resourceVersion":"${revision}"${counted},"creationTimestamp":"${creationTimestamp}"`;
  return `"metadata":{${own}${after(metadata)}}${after(rest)}`;
}

function after(members: string): string {
  return members === "" ? "" : `,${members}`;
}

function sorted(objects: ReadonlyMap<string, Version>): Version[] {
  return [...objects.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
}

/** To the second, as the real one. */
function now(): string {
  return new Date().toISOString().replace(/\.\d+Z$/, "Z");
}
