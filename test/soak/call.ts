import { setTimeout as sleep } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import type { CallOptions } from "@connectrpc/connect";
import { CountRequestSchema, DemoService } from "../gen/demo/v1/demo_pb.ts";
import type { Plan } from "./plan.ts";
import type { Route } from "./transports.ts";
import { bytesHeader, failHeader, faultOf, idHeader, payloadOf } from "./wire.ts";

/** The response is not what the pod was asked for. */
export class WrongResponse extends Error {
  override readonly name = "WrongResponse";
}

/** One call while it is under way, and after. Times in milliseconds of `performance.now()`. */
export class Call {
  readonly id: number;
  readonly plan: Plan;
  readonly route: Route;
  readonly startedAt = performance.now();
  /** When its caller aborted it. */
  abortedAt: number | undefined;
  /** Bytes of payload that Connect took from a streaming request. */
  bytesTaken = 0;
  readonly #abort = new AbortController();

  constructor(id: number, plan: Plan, route: Route) {
    this.id = id;
    this.plan = plan;
    this.route = route;
  }

  abort(): void {
    this.abortedAt ??= performance.now();
    this.#abort.abort();
  }

  /** Makes the call. Rejects with what the client rejects with, and with a `WrongResponse`. */
  async run(): Promise<void> {
    const { leave } = this.plan;
    if (leave.kind === "beforeStart") this.abort();
    const timer = leave.kind === "after" ? setTimeout(() => this.abort(), leave.ms) : undefined;
    try {
      await this.#send();
    } finally {
      clearTimeout(timer);
    }
  }

  #send(): Promise<void> {
    switch (this.plan.kind) {
      case "ping":
      case "charge":
        return this.#unary(this.plan.kind);
      case "count":
        return this.#count();
      case "collect":
        return this.#collect();
      case "chat":
        return this.#chat();
    }
  }

  async #unary(method: "ping" | "charge"): Promise<void> {
    const { requestBytes } = this.plan;
    const request = { work: this.#work(), payload: payloadOf(this.id, requestBytes) };
    const { payload } = await this.route.client[method](request, this.#options());
    this.#check(payload, 0);
  }

  async #count(): Promise<void> {
    const { messages, callerDelayMs, leave } = this.plan;
    let read = 0;
    for await (const { number, payload } of leave.kind === "return" ? await this.#rawCount() : this.#cookedCount()) {
      read++;
      if (number !== read) throw new WrongResponse(`number ${number} in the place of ${read}`);
      this.#check(payload, number);
      if (leave.kind === "afterMessages" && leave.count === read) this.abort();
      if (leave.kind === "return" && leave.count === read) return;
      if (callerDelayMs > 0) await sleep(callerDelayMs);
    }
    if (read !== messages) throw new WrongResponse(`${read} numbers instead of ${messages}`);
  }

  #cookedCount() {
    return this.route.client.count({ work: this.#work(), to: this.plan.messages }, this.#options());
  }

  async #rawCount() {
    const request = create(CountRequestSchema, { work: this.#work(), to: this.plan.messages });
    const { signal, timeoutMs, headers } = this.#options();
    const { transport } = this.route;
    const response = await transport.stream(DemoService.method.count, signal, timeoutMs, headers, once(request));
    return response.message;
  }

  async #collect(): Promise<void> {
    const { messages, requestBytes } = this.plan;
    const requests = this.#requests((number) => ({
      work: this.#work(),
      number,
      payload: payloadOf(this.id + number, requestBytes),
    }));
    const { sum, received, payload } = await this.route.client.collect(requests, this.#options());
    if (received !== messages) throw new WrongResponse(`${received} messages received of ${messages}`);
    const expected = BigInt((messages * (messages + 1)) / 2);
    if (sum !== expected) throw new WrongResponse(`a sum of ${sum} instead of ${expected}`);
    if (messages > 0) this.#check(payload, 0);
  }

  async #chat(): Promise<void> {
    const { messages, requestBytes, inTurns } = this.plan;
    const textOf = (number: number): string => `${number}`.padEnd(requestBytes, "=");
    let read = 0;
    let wake: (() => void) | undefined;
    const turn = async (number: number): Promise<void> => {
      while (inTurns && read < number - 1) await new Promise<void>((resolve) => (wake = resolve));
    };
    const requests = this.#requests((number) => ({ work: this.#work(), text: textOf(number) }), turn);
    for await (const { text, payload } of this.route.client.chat(requests, this.#options())) {
      read++;
      if (text !== textOf(read)) throw new WrongResponse(`another text than that of message ${read}`);
      this.#check(payload, read);
      wake?.();
    }
    if (read !== messages) throw new WrongResponse(`${read} answers to ${messages} messages`);
  }

  async *#requests<T>(messageOf: (number: number) => T, turn?: (number: number) => Promise<void>): AsyncGenerator<T> {
    const { messages, callerDelayMs, requestBytes } = this.plan;
    for (let number = 1; number <= messages; number++) {
      if (callerDelayMs > 0) await sleep(callerDelayMs);
      await turn?.(number);
      this.bytesTaken += requestBytes;
      yield messageOf(number);
    }
  }

  #work(): { readonly delayMs: number; readonly payloadBytes: number } {
    return { delayMs: this.plan.delayMs, payloadBytes: this.plan.responseBytes };
  }

  #options(): CallOptions & { readonly headers: Headers; readonly signal: AbortSignal } {
    const { requestBytes, failWith, timeoutMs } = this.plan;
    const headers = new Headers([
      [idHeader, String(this.id)],
      [bytesHeader, String(requestBytes)],
    ]);
    if (failWith !== undefined) headers.set(failHeader, String(failWith));
    return { headers, signal: this.#abort.signal, ...(timeoutMs === undefined ? {} : { timeoutMs }) };
  }

  #check(payload: Uint8Array, number: number): void {
    const fault = faultOf(payload, this.id + number, this.plan.responseBytes);
    if (fault !== undefined) throw new WrongResponse(fault);
  }
}

async function* once<T>(message: T): AsyncGenerator<T> {
  yield message;
}
