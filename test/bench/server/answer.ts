import { randomUUID } from "node:crypto";
import { create, toBinary } from "@bufbuild/protobuf";
import { ChargeResponseSchema, CountResponseSchema } from "../../gen/demo/v1/demo_pb.ts";
import { type AnswerName, answerSpecs } from "../cases.ts";
import type { Protocol } from "../clients/table.ts";
import { flag, frame, frameType } from "./frames.ts";
import { headerBlock } from "./hpack.ts";

/** Response headers differ from those of the calls before: they come out of so many. */
const variants = 4_096;

/** The canned bytes of a response. Stream ids are filled in when it is sent. */
export interface Answer {
  /** HEADERS frames, to be taken in turn. */
  readonly heads: readonly Buffer[];
  readonly body: Buffer;
  /** Where DATA frames end at the latest: after each message. */
  readonly ends: readonly number[];
  /** The HEADERS frame of the trailers; `undefined`: the last DATA frame ends the stream. */
  readonly tail: Buffer | undefined;
}

/** What every RPC of `protocol` is answered with. */
export function createAnswer(name: AnswerName, protocol: Protocol): Answer {
  const { payloadBytes, messages } = answerSpecs[name];
  const streaming = messages > 1;
  const parts: Uint8Array[] = [];
  if (streaming) {
    for (let number = 1; number <= messages; number++) {
      parts.push(envelope(0, toBinary(CountResponseSchema, create(CountResponseSchema, { pod: "pod-1", number }))));
    }
    if (protocol === "connect") parts.push(envelope(2, Buffer.from("{}")));
  } else {
    const response = create(ChargeResponseSchema, { pod: "pod-1", payload: new Uint8Array(payloadBytes).fill(0xa5) });
    const message = toBinary(ChargeResponseSchema, response);
    parts.push(protocol === "grpc" ? envelope(0, message) : message);
  }
  const body = Buffer.concat(parts);
  let end = 0;
  const ends = parts.map((part) => {
    end += part.length;
    return end;
  });

  const fields: [string, string][] = [["content-type", contentType(protocol, streaming)]];
  if (protocol === "connect" && !streaming) fields.push(["content-length", String(body.length)]);
  const heads = Array.from({ length: variants }, (_, index) => {
    const date = new Date(Date.now() + index * 1_000).toUTCString();
    const block = headerBlock(true, [...fields, ["date", date], ["x-request-id", randomUUID()]]);
    return frame(frameType.headers, flag.endHeaders, 0, block);
  });
  const tail =
    protocol === "grpc"
      ? frame(frameType.headers, flag.endHeaders | flag.endStream, 0, headerBlock(false, [["grpc-status", "0"]]))
      : undefined;

  return { heads, body, ends, tail };
}

/** A message with its flags and length before it, as in gRPC and in Connect's streams. */
function envelope(flags: number, message: Uint8Array): Buffer {
  const bytes = Buffer.alloc(5 + message.length);
  bytes[0] = flags;
  bytes.writeUInt32BE(message.length, 1);
  bytes.set(message, 5);
  return bytes;
}

function contentType(protocol: Protocol, streaming: boolean): string {
  if (protocol === "grpc") return "application/grpc+proto";
  return streaming ? "application/connect+proto" : "application/proto";
}
