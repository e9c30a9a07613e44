import type { Duplex } from "node:stream";
import {
  type Clock,
  type Connection,
  type ConnectionListener,
  type Endpoint,
  messageOf,
  type RequestHead,
  type Stream,
  type StreamListener,
  type Timer,
} from "@evenkeel/core";
import { ClientStream, type StreamEnding, type StreamOwner } from "./client-stream.ts";
import { deadStream } from "./dead-stream.ts";
import { type DialOptions, dial } from "./dial.ts";
import { ErrorCode, errorCodeName } from "./error-code.ts";
import { FloodGuard } from "./flood-guard.ts";
import { ReceiveWindow, SendWindow } from "./flow-control.ts";
import { connectionPreface, defaultMaxFrameSize, maxUint31 } from "./frames/frame.ts";
import { type FrameHandler, FrameReader } from "./frames/frame-reader.ts";
import { type FrameSink, FrameWriter } from "./frames/frame-writer.ts";
import { ProtocolError } from "./frames/protocol-error.ts";
import { applySettings, encodeSettings, initialSettings, type Settings } from "./frames/settings.ts";
import { HpackDecoder } from "./hpack/decoder.ts";
import { tableSizeUpdate } from "./hpack/encoder.ts";
import { HpackError } from "./hpack/hpack-error.ts";
import { Keepalive, type KeepaliveOptions } from "./keepalive.ts";
import type { RequestEncoder } from "./request-encoder.ts";
import { SendQueue } from "./send-queue.ts";
import { setReferenced, writeAll } from "./socket.ts";
import { StreamTable } from "./stream-table.ts";
import { Suspicion } from "./suspicion.ts";
import { unavailable } from "./unavailable.ts";

/** Our limit of a response's header list. Blocks four times as large end the connection, and not only the stream. */
const maxHeaderListSize = 64 * 1024;
/** What a peer may send for a stream before it reads that we reset it, but for DATA: headers, trailers, its own reset. */
const framesAfterReset = 3;
/** Answers to PING and SETTINGS that may wait for a peer which does not read. */
const maxWaitingAcks = 1_000;
/** What may wait for a peer that does not read before it is sent no more requests, whatever became of those before. */
const maxWaitingBytes = 16 * 1024 * 1024;
/** What a peer may send with the answer to a request, such as a ping that measures the way. */
const framesWithAnswer = 1;
/** How long a peer may take to close a connection after us. */
const closeTimeoutMs = 1_000;

export interface ClientConnectionOptions extends DialOptions, KeepaliveOptions {
  readonly clock: Clock;
  readonly label: string;
  readonly encoder: RequestEncoder;
  /** Bytes that a peer may send on a stream before its reader takes them. */
  readonly initialWindowSize: number;
  /** Bytes that a peer may send on all streams before we have read them. */
  readonly connectionWindowSize: number;
  /** Default 1. */
  readonly firstStreamId?: number;
}

/** A client's HTTP/2 connection (RFC 9113), from its dial to its end. */
export class ClientConnection implements Connection, StreamOwner, FrameHandler, FrameSink {
  endpoint: Endpoint;
  readonly label: string;
  readonly writer: FrameWriter;
  readonly sendWindow: SendWindow = new SendWindow(initialSettings.initialWindowSize);
  readonly #options: ClientConnectionOptions;
  readonly #listener: ConnectionListener;
  readonly #giveUpDial: () => void;
  readonly #reader: FrameReader;
  readonly #decoder = new HpackDecoder({ maxHeaderListSize });
  readonly #floodGuard: FloodGuard;
  readonly #receiveWindow: ReceiveWindow;
  readonly #suspicion: Suspicion;
  readonly #streams: StreamTable;
  readonly #sendQueue = new SendQueue();
  readonly #canSend = (): boolean => this.sendWindow.size > 0 && !this.writer.isFull;
  #socket: Duplex | undefined;
  #keepalive: Keepalive | undefined;
  #closeTimer: Timer | undefined;
  #pingsSent = 0;
  #pingsAnswered = 0;
  #ready = false;
  #draining = false;
  #closed = false;
  #suspect = false;
  /** GOAWAY and FIN were sent, and the peer is to follow. */
  #closing = false;
  /** The first thing seen of the connection's end, and whether the end was planned. */
  #end: { readonly reason: Error; readonly orderly: boolean } | undefined;
  #settings: Settings = initialSettings;
  #lastStreamId = maxUint31;
  #answered = 0;
  #streamsLost = 0;
  #waitingAcks = 0;
  #responseRead = false;
  /** That of the DATA frame that is being read. */
  #dataStream: ClientStream | undefined;
  /** What the next header block has to begin with. */
  #tableSizeUpdate: Buffer | undefined;

  constructor(endpoint: Endpoint, options: ClientConnectionOptions, listener: ConnectionListener) {
    this.endpoint = endpoint;
    this.label = options.label;
    this.#options = options;
    this.#listener = listener;
    this.#streams = new StreamTable(options.firstStreamId ?? 1);
    this.writer = new FrameWriter(this);
    const limits = { maxFrameSize: defaultMaxFrameSize, maxHeaderBlockBytes: 4 * maxHeaderListSize };
    this.#reader = new FrameReader(limits, this);
    this.#floodGuard = new FloodGuard(options.clock);
    this.#receiveWindow = new ReceiveWindow(options.connectionWindowSize);
    this.#suspicion = new Suspicion(options.pingTimeoutMs, options.clock, {
      ping: () => this.#ping(),
      hasStreams: () => this.#streams.rpcs > 0,
      changed: (suspect) => this.#suspected(suspect),
      dead: () => this.#dead(),
    });
    this.#giveUpDial = dial(endpoint, options, {
      connected: (socket) => this.#attach(socket),
      failed: (error) => this.#finish(error, false),
      read: (chunk) => this.#onRead(chunk),
    });
  }

  // what its owner calls

  get inFlight(): number {
    return this.#streams.rpcs;
  }

  get maxStreams(): number {
    return this.#settings.maxConcurrentStreams - this.#streams.background;
  }

  get answered(): number {
    return this.#answered;
  }

  get suspect(): boolean {
    return this.#suspect;
  }

  open(head: RequestHead, listener: StreamListener): Stream {
    const socket = this.#socket;
    if (socket === undefined || !this.#takesStreams) return this.#refuse(listener);
    const block = this.#options.encoder.encode(head, this.#settings.maxHeaderListSize);
    const stream = new ClientStream(this.#streams.nextId, this, listener, {
      method: head.method,
      endStream: head.endStream,
      isBackground: head.background === true,
      sendWindow: this.#settings.initialWindowSize,
      receiveWindow: this.#options.initialWindowSize,
    });
    this.#streams.add(stream);
    this.#floodGuard.earn(framesWithAnswer);
    if (this.#streams.rpcs === 1 && !stream.isBackground) {
      setReferenced(socket, true);
      this.#suspicion.busy();
    }
    this.writer.headers(stream.id, this.#beginBlock(block), head.furtherHeaders ?? [], head.endStream);
    if (this.#streams.isUsedUp) this.#retire();
    return stream;
  }

  drain(): void {
    this.#draining = true;
    this.#end ??= { reason: new Error(`${this.label} was closed`), orderly: true };
    if (!this.#ready) this.#abandon(this.#end);
    else if (this.#streams.rpcs === 0) this.#close();
  }

  destroy(reason: Error): void {
    // what ends it by force counts, and not that it was on its way to an orderly end
    if (this.#end === undefined || this.#end.orderly) this.#end = { reason, orderly: false };
    this.#abandon(this.#end);
  }

  // what its streams call

  blocked(stream: ClientStream): void {
    this.#sendQueue.add(stream);
  }

  ended(stream: ClientStream, how: StreamEnding, tell: () => void): void {
    const wasFull = this.#streams.rpcs >= this.maxStreams;
    this.#streams.delete(stream, how === "cancelled");
    this.#sendQueue.delete(stream);
    if (this.#dataStream === stream) this.#dataStream = undefined;
    if (how === "cancelled") this.#floodGuard.earn(framesAfterReset);
    if (how === "answered" && !stream.isBackground) this.#answered++;
    if (how === "lost" && !stream.isBackground) this.#streamsLost++;
    if (this.#streams.rpcs === 0 && this.#socket !== undefined) setReferenced(this.#socket, false);
    tell();
    if (this.#closed) return;
    if (wasFull && this.#takesStreams) this.#listener.capacity();
    if (this.#streams.rpcs === 0 && this.#draining) this.#close();
  }

  describe(what: string): string {
    return `${this.label}: ${what}`;
  }

  // what the frame writer calls

  write(chunks: readonly Uint8Array[]): boolean {
    this.#waitingAcks = 0;
    return this.#socket !== undefined && writeAll(this.#socket, chunks);
  }

  hasRoom(): void {
    this.#sendQueue.pump(this.#canSend);
  }

  // what the frame reader calls

  dataFrame(streamId: number, flowLength: number): void {
    if (this.#closed) return;
    if (!this.#receiveWindow.take(flowLength)) {
      throw new ProtocolError(ErrorCode.flowControlError, "more DATA than the connection's window allows");
    }
    // a stream that is not read must not hold back the others, so that this window is given back at once
    const increment = this.#receiveWindow.giveBack();
    if (increment > 0) this.writer.windowUpdate(0, increment);
    this.#responseRead = true;
    this.#dataStream = this.#streams.find(streamId, "DATA");
    this.#dataStream?.onDataFrame(flowLength);
  }

  data(_streamId: number, chunk: Uint8Array, endStream: boolean): void {
    if (chunk.length === 0 && !endStream) this.#floodGuard.spend(1, "empty DATA");
    this.#dataStream?.onData(chunk, endStream);
  }

  headers(streamId: number, block: Buffer, endStream: boolean): void {
    if (this.#closed) return;
    // decoded for whatever stream, to stay in step with the peer
    const decoded = this.#decoder.decode(block);
    this.#responseRead = true;
    const stream = this.#streams.find(streamId, "HEADERS");
    if (decoded.tooLarge) {
      const message = `response headers of ${decoded.size} bytes are too large: at most ${maxHeaderListSize}`;
      stream?.fail(ErrorCode.enhanceYourCalm, message);
    } else stream?.onHeaders(decoded.fields, endStream);
    // of a stream that we reset, or informational
    if (stream === undefined || stream.awaitsHead) this.#floodGuard.spend(1, "HEADERS");
  }

  rstStream(streamId: number, errorCode: number): void {
    if (this.#closed) return;
    const stream = this.#streams.get(streamId, "RST_STREAM");
    if (stream === undefined) this.#floodGuard.spend(1, "RST_STREAM");
    else stream.onReset(errorCode);
  }

  settings(payload: Buffer): void {
    if (this.#closed) return;
    this.#floodGuard.spend(1 + payload.length, "SETTINGS");
    const before = this.#settings;
    const settings = applySettings(before, payload);
    this.#settings = settings;
    this.writer.maxFrameSize = settings.maxFrameSize;
    if (settings.headerTableSize < before.headerTableSize) this.#tableSizeUpdate = tableSizeUpdate(0);
    // before what they allow is made use of: peers may hold to the old ones until then
    this.writer.settingsAck();
    this.#acknowledged();
    const growth = settings.initialWindowSize - before.initialWindowSize;
    for (const stream of growth === 0 ? [] : this.#streams.all) {
      if (!stream.growWindow(growth)) {
        throw new ProtocolError(ErrorCode.flowControlError, "SETTINGS_INITIAL_WINDOW_SIZE overflows a window");
      }
    }
    if (this.#closed) return;
    if (!this.#ready) this.#becomeReady();
    else if (settings.maxConcurrentStreams > before.maxConcurrentStreams) this.#listener.capacity();
  }

  settingsAck(): void {
    this.#floodGuard.spend(1, "SETTINGS");
  }

  ping(payload: Buffer): void {
    this.#floodGuard.spend(1, "PING");
    this.writer.pingAck(payload);
    this.#acknowledged();
  }

  pingAck(): void {
    if (this.#pingsAnswered < this.#pingsSent) this.#pingsAnswered++;
    else this.#floodGuard.spend(1, "PING");
  }

  pushPromise(): void {
    throw new ProtocolError(ErrorCode.protocolError, "PUSH_PROMISE, which our SETTINGS_ENABLE_PUSH forbids");
  }

  goaway(lastStreamId: number, errorCode: number, debugData: Buffer): void {
    if (this.#closed) return;
    this.#floodGuard.spend(1, "GOAWAY");
    // both phases of a graceful retirement count: the second names the id that decides
    this.#lastStreamId = Math.min(this.#lastStreamId, lastStreamId);
    this.#draining = true;
    const data = debugData.toString("latin1", 0, 256);
    const code = errorCode === ErrorCode.noError ? "" : ` with ${errorCodeName(errorCode)} ${data}`.trimEnd();
    const reason = unavailable(this.describe(`the peer sent GOAWAY${code}`));
    const orderly = errorCode === ErrorCode.noError;
    if (this.#end === undefined || (this.#end.orderly && !orderly)) this.#end = { reason, orderly };
    // the peer is to close now (RFC 9113, section 5.4.1); what it sent before that may still save streams
    if (!orderly) this.#destroyLater();
    this.#listener.goaway({ errorCode, lastStreamId, debugData: data });
    for (const stream of this.#streams.all) {
      if (stream.id > this.#lastStreamId) stream.onRefused(reason);
    }
    if (this.#streams.rpcs === 0) this.#close();
  }

  windowUpdate(streamId: number, increment: number): void {
    if (streamId === 0) {
      if (increment === 0) throw new ProtocolError(ErrorCode.protocolError, "WINDOW_UPDATE of 0 bytes");
      if (!this.sendWindow.grow(increment)) {
        throw new ProtocolError(ErrorCode.flowControlError, "WINDOW_UPDATE overflows the connection's window");
      }
      this.hasRoom();
      return;
    }
    if (this.#closed) return;
    const stream = this.#streams.get(streamId, "WINDOW_UPDATE");
    if (increment === 0) stream?.fail(ErrorCode.protocolError, "WINDOW_UPDATE of 0 bytes");
    else if (stream?.growWindow(increment) === false) {
      stream.fail(ErrorCode.flowControlError, "WINDOW_UPDATE overflows the stream's window");
    }
  }

  ignored(): void {
    this.#floodGuard.spend(1, "frames without a meaning");
  }

  get #takesStreams(): boolean {
    if (!this.#ready || this.#draining || this.#closed) return false;
    return this.#streams.rpcs < this.maxStreams && this.writer.waitingBytes < maxWaitingBytes;
  }

  #attach(socket: Duplex): void {
    this.#socket = socket;
    setReferenced(socket, false);
    socket.on("drain", () => this.writer.drained());
    socket.on("error", (error) => this.#lost(messageOf(error), error));
    socket.on("end", () => this.#lost("the peer closed the connection"));
    socket.on("close", () => {
      this.#closeTimer?.cancel();
      this.#lost("the connection ended");
    });
    const { initialWindowSize, connectionWindowSize } = this.#options;
    this.writer.raw(connectionPreface);
    this.writer.settings(encodeSettings({ enablePush: false, initialWindowSize, maxHeaderListSize }));
    this.writer.windowUpdate(0, connectionWindowSize - initialSettings.initialWindowSize);
    this.writer.flush();
  }

  #onRead(chunk: Buffer): void {
    if (this.#closed) return;
    this.#responseRead = false;
    try {
      this.#reader.read(chunk);
    } catch (error) {
      if (error instanceof ProtocolError) this.#fail(error.errorCode, error);
      else if (error instanceof HpackError) this.#fail(ErrorCode.compressionError, error);
      else throw error;
      return;
    }
    this.#keepalive?.heard();
    this.#suspicion.heard(this.#responseRead);
  }

  #acknowledged(): void {
    this.#waitingAcks++;
    if (this.#waitingAcks <= maxWaitingAcks) return;
    throw new ProtocolError(ErrorCode.enhanceYourCalm, "a flood of frames whose answers are not read");
  }

  #becomeReady(): void {
    this.#ready = true;
    this.#keepalive = new Keepalive(this.#options, this.#options.clock, {
      ping: () => this.#ping(),
      hasStreams: () => this.#streams.rpcs > 0,
      dead: () => this.#dead(),
    });
    this.#listener.ready();
  }

  #beginBlock(block: Buffer): Buffer {
    const update = this.#tableSizeUpdate;
    if (update === undefined) return block;
    this.#tableSizeUpdate = undefined;
    return Buffer.concat([update, block]);
  }

  /** Has the endpoint dialled anew, as after the peer's GOAWAY: no stream id is left. */
  #retire(): void {
    this.#draining = true;
    process.nextTick(() => {
      if (this.#closed) return;
      this.#listener.goaway({ errorCode: 0, lastStreamId: maxUint31, debugData: "every stream id was used" });
    });
  }

  #refuse(listener: StreamListener): Stream {
    const error = unavailable(this.describe("it takes no new streams"), this.#end?.reason);
    process.nextTick(() => listener.closed({ kind: "broken", fate: "unsent", errorCode: undefined, error }));
    return deadStream;
  }

  #ping(): void {
    if (this.#closed) return;
    const payload = Buffer.alloc(8);
    payload.writeUInt32BE(++this.#pingsSent, 4);
    this.writer.ping(payload);
  }

  #suspected(suspect: boolean): void {
    this.#suspect = suspect;
    if (!this.#draining) this.#listener.suspicion();
    // after that: others are preferred by now
    if (suspect) for (const stream of this.#streams.all) stream.onSuspicion();
  }

  #dead(): void {
    this.destroy(unavailable(this.describe(`no answer to a PING in ${this.#options.pingTimeoutMs} ms`)));
  }

  /** Closes a connection without streams; a peer that does not follow is not waited for. */
  #close(): void {
    if (this.#closing || this.#closed) return;
    this.#closing = true;
    this.writer.goaway(0, ErrorCode.noError, "");
    this.#hangUp();
  }

  /** The peer broke the protocol. */
  #fail(errorCode: number, cause: Error): void {
    if (this.#closed) return;
    const reason = unavailable(this.describe(`the peer broke the protocol: ${cause.message}${this.#hint}`), cause);
    this.#end = { reason, orderly: false };
    this.writer.goaway(0, errorCode, cause.message);
    this.#hangUp();
    // a stream that was told of room meanwhile may have ended it
    if (!this.#closed) this.#settle(reason, false);
  }

  /** What waits is written, then FIN; what is still there after a while is destroyed. */
  #hangUp(): void {
    const socket = this.#socket;
    if (socket === undefined) return;
    this.writer.flush();
    socket.end();
    this.#destroyLater();
  }

  #destroyLater(): void {
    this.#closeTimer ??= this.#options.clock.setTimeout(() => this.#socket?.destroy(), closeTimeoutMs);
  }

  /** The connection is gone. What was seen first is the cause of the rest. */
  #lost(what: string, cause?: Error): void {
    if (this.#closed) return;
    const reason = unavailable(this.describe(`${what}${this.#hint}`), cause);
    if (this.#end === undefined || (this.#end.orderly && this.#streams.rpcs > 0)) {
      this.#end = { reason, orderly: this.#ready && cause === undefined && this.#streams.rpcs === 0 };
    }
    this.#finish(this.#end.reason, this.#end.orderly);
  }

  get #hint(): string {
    return this.#ready ? "" : ", before its HTTP/2 SETTINGS: does it speak HTTP/1.1, or TLS, on this port?";
  }

  /** Ends it, whether it was dialled or not. */
  #abandon({ reason, orderly }: { readonly reason: Error; readonly orderly: boolean }): void {
    if (this.#socket === undefined) this.#giveUpDial();
    this.#finish(reason, orderly);
  }

  #finish(reason: Error, orderly: boolean): void {
    if (this.#closed) return;
    this.#socket?.destroy();
    this.#settle(reason, orderly);
  }

  /** Tells every stream and the owner; nothing follows. */
  #settle(reason: Error, orderly: boolean): void {
    this.#closed = true;
    this.#keepalive?.stop();
    this.#suspicion.stop();
    for (const stream of this.#streams.all) stream.onLost(reason);
    this.writer.close();
    this.#listener.closed({
      reason,
      orderly: orderly && this.#streamsLost === 0,
      streamsLost: this.#streamsLost,
    });
  }
}
