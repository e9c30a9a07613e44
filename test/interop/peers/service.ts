// How DemoService behaves in the servers that run on node. peers/go/peer/service.go is the same in Go.
import { setTimeout as sleep } from "node:timers/promises";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import type {
  ChargeRequest,
  ChargeResponseSchema,
  ChatRequest,
  ChatResponseSchema,
  CollectRequest,
  CollectResponseSchema,
  CountRequest,
  CountResponseSchema,
  PingRequest,
  PingResponseSchema,
  Work,
} from "../../gen/demo/v1/demo_pb.ts";
import type { Stats } from "../stats.ts";

export interface CallContext {
  /** Aborted when the RPC is given up. */
  readonly signal: AbortSignal;
  readonly hasDeadline: boolean;
}

/** An error as DemoService means it, with a `ChargeResponse` as its detail: for either library to translate. */
export class Failure extends Error {
  readonly code: Code;
  readonly detail: MessageInitShape<typeof ChargeResponseSchema>;
  readonly reason = "poor";

  constructor(code: Code, message: string, pod: string) {
    super(message);
    this.code = code;
    this.detail = { pod };
  }
}

/** DemoService on one listener. */
export class Service {
  readonly #pod: string;
  #stats: Stats = emptyStats();
  #seen = new Set<string>();

  constructor(pod: string) {
    this.#pod = pod;
  }

  /** What was seen; forgotten on request. */
  stats(reset: boolean): Stats {
    const stats = this.#stats;
    if (reset) {
      this.#stats = emptyStats();
      this.#seen = new Set();
    }
    return stats;
  }

  async ping(
    { work, payload }: PingRequest,
    context: CallContext,
  ): Promise<MessageInitShape<typeof PingResponseSchema>> {
    const made = await this.#perform(work, context);
    return { pod: this.#pod, payload: payload.length > 0 ? payload : made };
  }

  async charge(
    { work, payload }: ChargeRequest,
    context: CallContext,
  ): Promise<MessageInitShape<typeof ChargeResponseSchema>> {
    if (payload.length === 1) throw new Failure(Code.FailedPrecondition, "no funds ☂", this.#pod);
    this.#stats.charges++;
    this.#stats.unique = this.#seen.add(Buffer.from(payload).toString("hex")).size;
    return { pod: this.#pod, payload: await this.#perform(work, context) };
  }

  async *count(
    { work, to }: CountRequest,
    context: CallContext,
  ): AsyncGenerator<MessageInitShape<typeof CountResponseSchema>> {
    if (to === 0) throw new Failure(Code.InvalidArgument, "nothing to count", this.#pod);
    for (let number = 1; number <= to; number++) {
      if (number === 13) throw new Failure(Code.DataLoss, "unlucky", this.#pod);
      yield { pod: this.#pod, number, payload: await this.#perform(work, context) };
    }
  }

  async collect(
    requests: AsyncIterable<CollectRequest>,
    context: CallContext,
  ): Promise<MessageInitShape<typeof CollectResponseSchema>> {
    let last: Work | undefined;
    let sum = 0n;
    let received = 0;
    for await (const { work, number } of requests) {
      last = work;
      sum += BigInt(number);
      received++;
    }
    return { pod: this.#pod, sum, received, payload: await this.#perform(last, context) };
  }

  async *chat(
    requests: AsyncIterable<ChatRequest>,
    context: CallContext,
  ): AsyncGenerator<MessageInitShape<typeof ChatResponseSchema>> {
    for await (const { work, text } of requests) {
      yield { pod: this.#pod, text, payload: await this.#perform(work, context) };
    }
  }

  async #perform(work: Work | undefined, context: CallContext): Promise<Uint8Array<ArrayBuffer>> {
    if (context.hasDeadline) this.#stats.deadlines++;
    if (work !== undefined && work.delayMs > 0) {
      try {
        await sleep(work.delayMs, undefined, { signal: context.signal });
      } catch {
        this.#stats.cancelled++;
        throw context.signal.reason;
      }
    }
    return new Uint8Array(work?.payloadBytes ?? 0);
  }
}

function emptyStats(): Stats {
  return { charges: 0, unique: 0, deadlines: 0, cancelled: 0 };
}
