import { create, toBinary } from "@bufbuild/protobuf";
import { backoffDelay, messageOf, type RequestHead, type Stream, type Timer } from "@evenkeel/core";
import {
  HealthCheckRequestSchema,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "../gen/grpc/health/v1/health_pb.ts";
import type { CheckedPeer, Checker } from "./checker.ts";
import { afterPatience } from "./patience.ts";
import { WatchAnswer, type WatchEnd } from "./watch-answer.ts";

const head: RequestHead = {
  method: "POST",
  path: "/grpc.health.v1.Health/Watch",
  headers: [
    ["te", "trailers"],
    ["content-type", "application/grpc+proto"],
    ["user-agent", "evenkeel-health/0.1.0"],
  ],
  endStream: false,
  background: true,
};

/** A watch that ended after an answer begins anew at once, unless that was so already within this time. */
const atOnceEveryMs = 1_000;

export interface WatchCheckerOptions {
  readonly service: string;
  readonly timeoutMs: number;
}

/**
 * Follows `grpc.health.v1.Health/Watch` on one connection, as gRFC A17 has it, but that a server which answers and ends
 * every watch at once is asked once a second, and not in a circle.
 */
export class WatchChecker implements Checker {
  readonly #name: string;
  readonly #timeoutMs: number;
  readonly #request: Uint8Array;
  readonly #peer: CheckedPeer;
  /** Of the attempt under way. */
  #stream: Stream | undefined;
  #answered = false;
  /** Of the answer that is waited for, or of the next attempt. */
  #timer: Timer | undefined;
  /** Attempts in a row that ended without an answer. */
  #failures = 0;
  #atOnceAt = Number.NEGATIVE_INFINITY;
  #stopped = false;

  constructor({ service, timeoutMs }: WatchCheckerOptions, peer: CheckedPeer) {
    this.#name = service === "" ? "the server" : `service ${JSON.stringify(service)}`;
    this.#timeoutMs = timeoutMs;
    this.#request = enveloped(toBinary(HealthCheckRequestSchema, create(HealthCheckRequestSchema, { service })));
    this.#peer = peer;
  }

  start(): void {
    if (!this.#stopped) this.#attempt();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#stream?.cancel(new Error("the health of this connection is not watched any more"));
  }

  #attempt(): void {
    const peer = this.#peer;
    if (peer.maxStreams === 1) {
      // RPCs could only wait for a stream that never ends
      peer.tell(
        "unhealthy",
        "its peer takes one stream at a time, which the watch would be: let healthCheck poll a path",
      );
      this.#attemptIn(backoffDelay(++this.#failures, peer.random));
      return;
    }
    if (!peer.hasRoom) {
      // that it is full says nothing of its health
      this.#attemptIn(backoffDelay(1, peer.random));
      return;
    }
    this.#answered = false;
    try {
      const stream = peer.open(
        head,
        new WatchAnswer({ status: (status) => this.#told(status), ended: (end) => this.#ended(end) }, peer.clock),
      );
      this.#stream = stream;
      stream.end(this.#request);
    } catch (error) {
      this.#ended({ kind: "ended", reason: messageOf(error) });
      return;
    }
    if (peer.health.state !== "pending") return;
    this.#timer = afterPatience(peer.clock, () => this.#late(), this.#timeoutMs);
  }

  #told(status: number): void {
    this.#answered = true;
    this.#failures = 0;
    this.#timer?.cancel();
    const isServing = status === ServingStatus.SERVING;
    this.#peer.tell(isServing ? "healthy" : "unhealthy", `${this.#name} is ${nameOf(status)}`);
  }

  /** The stream stays: its answer may still come. */
  #late(): void {
    this.#peer.tell("unhealthy", `its health watch brought no answer in ${this.#timeoutMs} ms`);
  }

  #ended(end: WatchEnd): void {
    this.#timer?.cancel();
    const stream = this.#stream;
    this.#stream = undefined;
    if (end.kind !== "ended") stream?.cancel(new Error(`its health watch: ${end.reason}`));
    // with its connection, it may be, which is told in this turn: there is nothing to say of it then
    queueMicrotask(() => {
      if (!this.#stopped) this.#begin(end);
    });
  }

  /** What follows an end. */
  #begin(end: WatchEnd): void {
    const peer = this.#peer;
    if (end.kind === "unimplemented") {
      const reason = `its server has no health watch (${end.reason}), which counts as healthy`;
      peer.tell("healthy", reason);
      peer.warn(reason);
      return;
    }
    const now = peer.clock.now();
    if (end.kind === "ended" && this.#answered && now - this.#atOnceAt >= atOnceEveryMs) {
      this.#atOnceAt = now;
      // RPCs that find nothing better may wait for so short a time
      if (peer.health.state === "healthy") peer.tell("pending", `its health watch ended: ${end.reason}`);
      this.start(); // unless whoever was told has stopped it
      return;
    }
    peer.tell("unhealthy", `its health watch failed: ${end.reason}`);
    this.#attemptIn(backoffDelay(++this.#failures, peer.random));
  }

  #attemptIn(ms: number): void {
    if (!this.#stopped) this.#timer = this.#peer.clock.setTimeout(() => this.#attempt(), ms);
  }
}

/** gRPC's envelope: no compression, and the length. */
function enveloped(message: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(5 + message.length);
  bytes.writeUInt32BE(message.length, 1);
  bytes.set(message, 5);
  return bytes;
}

function nameOf(status: number): string {
  const name = Object.entries(ServingStatus).find(([, number]) => number === status)?.[0];
  return name ?? `of status ${status}, which is not known here`;
}
