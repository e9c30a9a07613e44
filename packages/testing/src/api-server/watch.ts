import type { ServerResponse } from "node:http";
import type { Timers } from "../timers.ts";
import { freshnessMs, isSelected } from "./list.ts";
import type { ListQuery } from "./list-query.ts";
import { type Change, type ObjectStore, objectText, type Version } from "./object-store.ts";
import { typeMeta } from "./resource.ts";
import type { Revisions } from "./revisions.ts";
import { expired, type Status, tooLargeResourceVersion } from "./status.ts";

/** A watch that is open. */
export interface ApiWatch {
  readonly resource: string;
  /** `undefined`: all namespaces. */
  readonly namespace: string | undefined;
  /** The revision that it was asked to go on from; empty: none. */
  readonly resourceVersion: string;
  /** When it began, in milliseconds of `performance.now()`. */
  readonly openedAt: number;
  /** How many events it was sent; bookmarks count. */
  readonly events: number;
  readonly bookmarks: number;
}

/** What a watch is made of. */
export interface WatchSetup {
  readonly response: ServerResponse;
  readonly store: ObjectStore;
  readonly revisions: Revisions;
  readonly timers: Timers;
  readonly namespace: string | undefined;
  readonly query: ListQuery;
  readonly bookmarkMs: number;
  /** Whether nobody else writes, so that a bookmark can have nothing new to tell. */
  readonly quiet: boolean;
  readonly timeoutMs: number;
  /** Whether nothing is to be sent before `resume`. */
  readonly stalled: boolean;
  readonly onSent: (events: number) => void;
}

type EventType = "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" | "ERROR";

/** How long before its time is up a watch gets its last bookmark: 2 s, as from the real one. */
const lastBookmarkMs = 2_000;

/** Bytes in which the real one sends what it has at hand: events span them, and share them. */
const chunkLength = 2_048;

/** Bytes that a client may leave unread, before its watch ends. */
const unreadLimit = 16 * 2 ** 20;

/** One watch, from the head of its response to its end. */
export class RunningWatch implements ApiWatch {
  readonly resource: string;
  readonly namespace: string | undefined;
  readonly resourceVersion: string;
  readonly openedAt: number = performance.now();
  readonly #setup: WatchSetup;
  /** Whether it begins with everything there is. */
  readonly #initial: boolean;
  /** Changes up to this revision were sent, or are not of interest. */
  #seen: number;
  /** The latest version that the client has. */
  #told: number;
  #stalled: boolean;
  #begun = false;
  #due = false;
  #over = false;
  #events = 0;
  #bookmarks = 0;

  constructor(setup: WatchSetup) {
    const { store, query, revisions } = setup;
    this.#setup = setup;
    this.resource = store.kind.resource;
    this.namespace = setup.namespace;
    this.resourceVersion = query.resourceVersion;
    this.#initial = query.sendInitialEvents ?? query.revision === 0;
    this.#seen = query.revision === 0 ? revisions.current : query.revision;
    this.#told = this.#seen;
    this.#stalled = setup.stalled;
  }

  get events(): number {
    return this.#events;
  }

  get bookmarks(): number {
    return this.#bookmarks;
  }

  /** Whether nothing will be sent any more, though the client may not know yet. */
  get over(): boolean {
    return this.#over;
  }

  /** Sends the head, then what the client has missed, then what comes. Resolves when it is over. */
  async run(): Promise<void> {
    const { response, store, revisions, timers, timeoutMs, query } = this.#setup;
    const { promise, resolve } = Promise.withResolvers<void>();
    response.writeHead(200, { "content-type": "application/json" });
    response.flushHeaders();
    const unsubscribe = store.subscribe((change) => this.#receive(change));
    const timeout = timers.after(timeoutMs, () => this.#timeout());
    const bookmarks = query.allowWatchBookmarks ? this.#startBookmarks() : () => {};
    response.on("close", () => {
      this.#over = true;
      unsubscribe();
      timeout();
      bookmarks();
      resolve();
    });
    if (query.sendInitialEvents && !(await revisions.reached(query.revision, freshnessMs))) {
      this.#fail(tooLargeResourceVersion(query.revision, revisions.current));
    }
    if (!this.#stalled) this.#goOn();
    await promise;
  }

  /** Sends nothing more, and keeps the connection. */
  stall(): void {
    this.#stalled = true;
  }

  /** Sends what has come up meanwhile, and goes on. */
  resume(): void {
    if (!this.#stalled) return;
    this.#stalled = false;
    this.#goOn();
    if (this.#due) this.end();
  }

  /** Ends the response in good order. */
  end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#setup.response.end();
  }

  /** Ends with the event that says that the client has to start anew. */
  expire(): void {
    this.#fail(expired(`too old resource version: ${this.#seen} (${this.#setup.store.oldest})`));
  }

  /** Sends the beginning of an event, and closes the connection. */
  cut(): void {
    if (this.#over) return;
    this.#over = true;
    const { response, store } = this.#setup;
    response.write(eventText("MODIFIED", `{${typeMeta(store.kind)}`).slice(0, -2));
    response.socket?.destroySoon();
  }

  /** Sends nothing more: the connection is gone. */
  abandon(): void {
    this.#over = true;
  }

  /** What is there, where that was asked for and is not sent yet; else what was missed. */
  #goOn(): void {
    if (this.#over) return;
    const { query, revisions, store } = this.#setup;
    const initial = this.#initial && !this.#begun;
    this.#begun = true;
    if (!initial) {
      this.#catchUp();
      return;
    }
    this.#seen = revisions.current;
    const events = store
      .all()
      .filter((version) => this.#selects(version))
      .map((version) => eventText("ADDED", objectText(store.kind, version)));
    if (query.allowWatchBookmarks) {
      events.push(this.#bookmark(`,"annotations":{"k8s.io/initial-events-end":"true"}`));
    }
    this.#sendJoined(events);
  }

  #catchUp(): void {
    const changes = this.#setup.store.since(this.#seen);
    if (changes === undefined) {
      this.expire();
      return;
    }
    const last = changes.at(-1);
    if (last === undefined) return;
    this.#seen = Math.max(this.#seen, last.revision);
    this.#sendJoined(changes.map((change) => this.#eventOf(change)).filter((event) => event !== undefined));
  }

  #receive(change: Change): void {
    if (!this.#begun || this.#stalled || this.#over || change.revision <= this.#seen) return;
    this.#seen = change.revision;
    const event = this.#eventOf(change);
    if (event !== undefined) this.#send(event);
  }

  /** An object that comes to be selected is added; one that ceases to be is deleted, and is told as it was. */
  #eventOf({ revision, before, after }: Change): string | undefined {
    const { kind } = this.#setup.store;
    const was = before !== undefined && this.#selects(before);
    if (after !== undefined && this.#selects(after)) {
      return eventText(was ? "MODIFIED" : "ADDED", objectText(kind, after));
    }
    return was ? eventText("DELETED", objectText(kind, before, revision)) : undefined;
  }

  #selects(version: Version): boolean {
    return isSelected(this.#setup.query, this.#setup.namespace, version);
  }

  #startBookmarks(): () => void {
    const { bookmarkMs, timeoutMs, timers, revisions, store, quiet } = this.#setup;
    const send = (): void => {
      if (!this.#begun || this.#stalled || this.#over) return;
      const revision = quiet ? store.latest : revisions.next();
      if (revision <= this.#told) return;
      this.#seen = revision;
      this.#send(this.#bookmark(""));
    };
    let forget = (): void => {};
    const next = (): void => {
      forget = timers.after(bookmarkMs, () => {
        next();
        send();
      });
    };
    next();
    const last = timeoutMs > lastBookmarkMs ? timers.after(timeoutMs - lastBookmarkMs, send) : () => {};
    return () => {
      forget();
      last();
    };
  }

  #bookmark(annotations: string): string {
    const { kind } = this.#setup.store;
    this.#bookmarks++;
    const metadata = `"metadata":{"resourceVersion":"${this.#seen}"${annotations}}`;
    return eventText("BOOKMARK", `{${typeMeta(kind)},${metadata},${kind.emptyFields}}`);
  }

  #timeout(): void {
    this.#due = true;
    if (!this.#stalled) this.end();
  }

  #fail(status: Status): void {
    if (this.#over) return;
    this.#send(eventText("ERROR", JSON.stringify(status)));
    this.end();
  }

  /** What happens now leaves at once, each event as a chunk of its own. */
  #send(event: string): void {
    const { response, onSent } = this.#setup;
    if (response.writableLength > unreadLimit) {
      this.end();
      return;
    }
    response.write(event);
    this.#told = this.#seen;
    this.#events++;
    onSent(1);
  }

  #sendJoined(events: readonly string[]): void {
    if (events.length === 0) return;
    const { response, onSent } = this.#setup;
    const bytes = Buffer.from(events.join(""));
    response.socket?.cork();
    for (let start = 0; start < bytes.length; start += chunkLength) {
      response.write(bytes.subarray(start, start + chunkLength));
    }
    response.socket?.uncork();
    this.#told = this.#seen;
    this.#events += events.length;
    onSent(events.length);
  }
}

function eventText(type: EventType, object: string): string {
  return `{"type":"${type}","object":${object}}\n`;
}
