import { Duplex } from "node:stream";
import {
  type Connection,
  type ConnectionListener,
  createEndpoint,
  parseTarget,
  StatusCode,
  StatusError,
  type Stream,
  type StreamEnd,
  type StreamListener,
} from "@evenkeel/core";
import { FakeClock } from "@evenkeel/testing";
import { ClientConnection } from "../../src/client-connection.ts";
import { encodeFrame, FrameType } from "../../src/frames/frame.ts";
import { encodeSettings } from "../../src/frames/settings.ts";
import { RequestEncoder } from "../../src/request-encoder.ts";
import { connections } from "./corpus.ts";
import { mutate, split } from "./mutate.ts";
import { type Random, randomInteger } from "./random.ts";
import { expectThat, type FuzzTarget } from "./target.ts";

const target = parseTarget("http://orders.test");
const endpoint = createEndpoint({ host: "10.0.0.1", port: 80 });
const encoder = new RequestEncoder(target);
const headers = [["content-type", "application/grpc"]] as const;
const greeting = encodeFrame(FrameType.settings, 0, 0, encodeSettings({}));
/** More than the windows at first. */
const largeBody = Buffer.alloc(70_000);
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/**
 * However a peer behaves, and whatever listeners do meanwhile: every stream is told its end once and last, the
 * connection too, and nothing is left of them.
 */
export const connectionTarget: FuzzTarget = {
  name: "connection",
  share: 35,
  async run(random: Random): Promise<string> {
    const fuzzed = new FuzzedConnection(random);
    await turn();
    const isGreeted = random() < 0.9;
    if (isGreeted) fuzzed.feed(greeting);
    fuzzed.openStreams();
    if (random() < 0.5) await turn();
    const [first, ...frames] = mutate(connections, random);
    const bytes = Buffer.concat(isGreeted || first === undefined ? frames : [first, ...frames]);
    for (const piece of split(bytes, random)) {
      fuzzed.feed(piece);
      if (random() < 0.02) await turn();
    }
    if (random() < 0.3) await turn();
    if (random() < 0.05) await fuzzed.passTime();
    fuzzed.end();
    await turn();
    await turn();
    return fuzzed.check(bytes.length);
  },
};

/** The client's end of a connection in memory. */
class Socket extends Duplex {
  writtenBytes = 0;
  /** Set while it takes no more. */
  held: (() => void) | undefined;
  isSlow = false;

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.writtenBytes += chunk.length;
    if (this.isSlow) this.held = done;
    else done();
  }
}

class FuzzedConnection implements ConnectionListener {
  readonly #random: Random;
  readonly #clock = new FakeClock();
  readonly #socket = new Socket({ highWaterMark: 16_384 });
  readonly #connection: Connection;
  readonly #streams: FuzzedStream[] = [];
  #bodyBytes = 0;
  #isReady = false;
  #ends = 0;

  constructor(random: Random) {
    this.#random = random;
    this.#socket.isSlow = random() < 0.1;
    const options = {
      target,
      nodeOptions: () => ({ createConnection: () => this.#socket }),
      clock: this.#clock,
      label: "connection 1",
      encoder,
      initialWindowSize: 65_536,
      connectionWindowSize: 65_536,
      pingIntervalMs: random() < 0.1 ? 500 : Number.POSITIVE_INFINITY,
      pingIdleConnection: random() < 0.5,
      pingTimeoutMs: 2_000,
    };
    this.#connection = new ClientConnection(endpoint, options, this);
  }

  // what the connection tells

  ready(): void {
    expectThat(!this.#isReady && this.#ends === 0, "ready told twice, or after the end");
    this.#isReady = true;
  }

  capacity(): void {
    this.#expectAlive("capacity");
    if (this.#streams.length < 20) this.open();
  }

  suspicion(): void {
    this.#expectAlive("suspicion");
  }

  goaway(): void {
    this.#expectAlive("goaway");
    this.act();
  }

  closed(): void {
    this.#ends++;
  }

  // what is done to it

  feed(bytes: Buffer): void {
    // as sockets do: their memory is their own, and nothing comes after their end
    if (!this.#socket.destroyed) this.#socket.push(Buffer.from(bytes));
  }

  openStreams(): void {
    for (let left = randomInteger(this.#random, 5); left > 0; left--) this.open();
  }

  open(): void {
    const stream = new FuzzedStream(this, this.#random);
    try {
      stream.open(this.#connection);
      this.#streams.push(stream);
    } catch (error) {
      // peers may allow next to no headers
      if (!(error instanceof StatusError) || error.code !== StatusCode.resourceExhausted) throw error;
    }
  }

  /** Returns the bytes of a body. */
  body(): Buffer {
    const body = largeBody.subarray(0, this.#random() < 0.8 ? randomInteger(this.#random, 40) : largeBody.length);
    this.#bodyBytes += body.length;
    return body;
  }

  /** What a listener may do while it is told something; mostly nothing. */
  act(): void {
    const kind = this.#random();
    if (kind < 0.02) this.#connection.destroy(new Error("destroyed"));
    else if (kind < 0.04) this.#connection.drain();
    else if (kind < 0.08) this.open();
    else if (kind < 0.12) for (const { stream } of this.#streams) stream?.cancel(new Error("all at once"));
    else if (kind < 0.2) this.#streams[randomInteger(this.#random, this.#streams.length)]?.stream?.write(this.body());
  }

  /** Until a peer that does not answer is suspect, or dead. */
  async passTime(): Promise<void> {
    for (const ms of [1_000, 250, this.#random() < 0.5 ? 100 : 15_000]) {
      this.#clock.tick(ms);
      await turn();
      await turn();
      await turn();
    }
  }

  end(): void {
    const kind = this.#random();
    if (kind < 0.2) this.#connection.drain();
    this.#socket.isSlow = false;
    this.#socket.held?.();
    if (kind < 0.4) this.#socket.destroy();
    else if (kind < 0.6) this.#socket.destroy(new Error("ECONNRESET"));
    else if (kind < 0.7) this.#connection.destroy(new Error("destroyed"));
    else if (!this.#socket.destroyed) this.#socket.push(null);
  }

  /** Returns how it ended. */
  check(inputBytes: number): string {
    // peers that do not close after us are not waited for: what is left is destroyed by a timer
    if (!this.#socket.destroyed) this.#clock.tick(1_000);
    expectThat(this.#ends === 1, `the connection was told its end ${this.#ends} times`);
    for (const stream of this.#streams) stream.check();
    expectThat(this.#connection.inFlight === 0, `${this.#connection.inFlight} streams in flight after the end`);
    const limit = 2 * this.#bodyBytes + 2 * inputBytes + 4_096;
    expectThat(this.#socket.writtenBytes <= limit, `${this.#socket.writtenBytes} bytes were written, above ${limit}`);
    expectThat(this.#socket.destroyed, "the socket was left open");
    expectThat(this.#clock.pending === 0, `${this.#clock.pending} timers were left`);
    return this.#streams.some(({ isComplete }) => isComplete)
      ? "some complete"
      : this.#isReady
        ? "ready"
        : "never ready";
  }

  #expectAlive(what: string): void {
    expectThat(this.#isReady, `${what} before ready`);
    expectThat(this.#ends === 0, `${what} after the end of the connection`);
  }
}

class FuzzedStream implements StreamListener {
  readonly #connection: FuzzedConnection;
  readonly #random: Random;
  stream: Stream | undefined;
  #told: "nothing" | "headers" | "trailers" | "closed" = "nothing";
  #end: StreamEnd | undefined;

  constructor(connection: FuzzedConnection, random: Random) {
    this.#connection = connection;
    this.#random = random;
  }

  get isComplete(): boolean {
    return this.#end?.kind === "complete";
  }

  open(connection: Connection): void {
    const kind = this.#random();
    const stream = connection.open({ method: "POST", path: "/s/m", headers, endStream: kind < 0.3 }, this);
    this.stream = stream;
    expectThat(this.#told === "nothing", "told before open has returned");
    if (kind < 0.6) stream.write(this.#connection.body());
    if (kind < 0.5) stream.end();
    if (kind > 0.9) stream.pause();
  }

  headers(): void {
    expectThat(this.#told === "nothing", `headers after ${this.#told}`);
    this.#told = "headers";
    this.#act();
  }

  data(chunk: Uint8Array): void {
    expectThat(this.#told === "headers", `data after ${this.#told}`);
    expectThat(chunk.length > 0, "data of 0 bytes");
    this.#act();
  }

  drained(): void {
    expectThat(this.#told !== "closed", "drained after the end");
    if (this.#random() < 0.5) this.stream?.end();
    this.#act();
  }

  trailers(): void {
    expectThat(this.#told === "headers", `trailers after ${this.#told}`);
    this.#told = "trailers";
    this.#act();
  }

  closed(end: StreamEnd): void {
    const told = this.#told;
    this.#told = "closed";
    expectThat(this.#end === undefined, "a stream was told its end twice");
    this.#end = end;
    expectThat(this.stream !== undefined, "a stream ended before open has returned");
    expectThat(end.kind === "broken" || told !== "nothing", "complete without headers");
    expectThat(end.kind === "complete" || told !== "trailers", "broken after trailers");
    expectThat(end.kind === "complete" || end.fate !== "unsent" || told === "nothing", "unsent, but answered");
    this.#connection.act();
  }

  check(): void {
    expectThat(this.#end !== undefined, "a stream was not told its end");
  }

  #act(): void {
    const kind = this.#random();
    if (kind < 0.02) this.stream?.cancel(new Error("enough"));
    else if (kind < 0.04) this.stream?.pause();
    else if (kind < 0.08) this.stream?.resume();
    else if (kind < 0.1) this.#connection.act();
  }
}
