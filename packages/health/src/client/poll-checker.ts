import {
  type HeaderList,
  jitter,
  messageOf,
  type RequestHead,
  type Stream,
  type StreamEnd,
  type Timer,
} from "@evenkeel/core";
import type { CheckedPeer, Checker } from "./checker.ts";
import { afterPatience } from "./patience.ts";

/** Of a body, which says nothing here; a longer one is broken off. */
const maxBodyBytes = 64 * 1024;

const headers: HeaderList = [["user-agent", "evenkeel-health/0.1.0"]];

export interface PollCheckerOptions {
  readonly path: string;
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

/** Asks for an HTTP path on one connection, again and again. */
export class PollChecker implements Checker {
  readonly #options: PollCheckerOptions;
  readonly #head: RequestHead;
  readonly #peer: CheckedPeer;
  /** Of the question under way. */
  #stream: Stream | undefined;
  /** Of its answer, or of the next question. */
  #timer: Timer | undefined;
  /** Whether the path was ever there. */
  #isThere = false;
  #warned = false;
  /** Whether the question under way is asked for the second time. */
  #repeats = false;
  #stopped = false;

  constructor(options: PollCheckerOptions, peer: CheckedPeer) {
    this.#options = options;
    this.#head = { method: "GET", path: options.path, headers, endStream: true, background: true };
    this.#peer = peer;
  }

  start(): void {
    if (!this.#stopped) this.#ask();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#stream?.cancel(new Error("the health of this connection is not asked for any more"));
  }

  #ask(): void {
    const { clock, hasRoom } = this.#peer;
    if (!hasRoom) {
      // that it is full says nothing of its health
      this.#askAgain();
      return;
    }
    let bodyBytes = 0;
    let isAnswered = false;
    const late = (): void => {
      if (!isAnswered) this.#unhealthy(`no answer in ${this.#options.timeoutMs} ms`);
      isAnswered = true;
      this.#stream?.cancel(new Error("its answer took too long"));
    };
    const closed = (end: StreamEnd): void => {
      this.#stream = undefined;
      this.#timer?.cancel();
      // with its connection, it may be, which is told in this turn: there is nothing to say of it then
      queueMicrotask(() => {
        if (this.#stopped) return;
        if (!isAnswered && end.kind === "broken") this.#lost(end.error);
        else this.#askAgain();
      });
    };
    try {
      this.#stream = this.#peer.open(this.#head, {
        headers: (status) => {
          if (!isAnswered) this.#answered(status);
          isAnswered = true;
        },
        data: ({ length }) => {
          bodyBytes += length;
          if (bodyBytes > maxBodyBytes) this.#stream?.cancel(new Error("its answer is too long"));
        },
        drained() {},
        trailers() {},
        closed,
      });
      this.#timer = afterPatience(clock, late, this.#options.timeoutMs);
    } catch (error) {
      this.#unhealthy(messageOf(error));
      this.#askAgain();
    }
  }

  /** It may have met a socket that its server had just closed for being idle: one that was healthy is asked once more. */
  #lost(error: Error): void {
    if (!this.#repeats && this.#peer.health.state === "healthy") {
      this.#repeats = true;
      this.#ask();
      return;
    }
    this.#unhealthy(messageOf(error));
    this.#askAgain();
  }

  #answered(status: number): void {
    this.#repeats = false;
    const isOk = status >= 200 && status < 300;
    if (isOk) {
      this.#isThere = true;
      this.#peer.tell("healthy", this.#describe(`HTTP ${status}`));
    } else if ((status === 404 || status === 501) && !this.#isThere) {
      // As gRFC A17 has it of a watch that is not implemented: clients that are told to check before their servers can be
      // checked must not lose all of them. Once it was there it is missed, as while a server is taken apart.
      const reason = this.#describe(`HTTP ${status}: its server has no such path, which counts as healthy`);
      this.#peer.tell("healthy", reason);
      if (!this.#warned) this.#peer.warn(reason);
      this.#warned = true;
    } else this.#unhealthy(`HTTP ${status}`);
  }

  #unhealthy(what: string): void {
    this.#peer.tell("unhealthy", this.#describe(what));
  }

  #describe(what: string): string {
    return `GET ${this.#options.path}: ${what}`;
  }

  #askAgain(): void {
    if (this.#stopped) return;
    const { clock, random } = this.#peer;
    this.#timer = clock.setTimeout(() => this.#ask(), jitter(random, this.#options.intervalMs, 0.1));
  }
}
