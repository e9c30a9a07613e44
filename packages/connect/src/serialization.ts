import {
  type BinaryReadOptions,
  type BinaryWriteOptions,
  type DescMessage,
  fromBinary,
  fromJsonString,
  type JsonReadOptions,
  type JsonWriteOptions,
  type Message,
  toBinary,
  toJsonString,
} from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { messageOf } from "@evenkeel/core";
import { checkReadLimit, checkWriteLimit } from "./limits.ts";

export interface SerializationOptions {
  readonly useBinaryFormat: boolean;
  readonly readMaxBytes: number;
  readonly writeMaxBytes: number;
  readonly jsonOptions?: Partial<JsonReadOptions & JsonWriteOptions>;
  readonly binaryOptions?: Partial<BinaryReadOptions & BinaryWriteOptions>;
}

/** Turns the messages of one method into bytes and back; both throw a `ConnectError`. */
export interface Serialization {
  serialize(message: Message): Uint8Array;
  parse(bytes: Uint8Array): Message;
}

export function createSerialization(
  input: DescMessage,
  output: DescMessage,
  options: SerializationOptions,
): Serialization {
  const { readMaxBytes, writeMaxBytes } = options;
  const { write, read } = options.useBinaryFormat
    ? binary(input, output, options.binaryOptions)
    : json(input, output, options.jsonOptions);
  return {
    serialize(message) {
      const bytes = write(message);
      checkWriteLimit(writeMaxBytes, bytes.byteLength);
      return bytes;
    },
    parse(bytes) {
      checkReadLimit(readMaxBytes, bytes.byteLength, true);
      return read(bytes);
    },
  };
}

interface Format {
  readonly write: (message: Message) => Uint8Array;
  readonly read: (bytes: Uint8Array) => Message;
}

function binary(
  input: DescMessage,
  output: DescMessage,
  options: Partial<BinaryReadOptions & BinaryWriteOptions> | undefined,
): Format {
  return {
    write(message) {
      try {
        return toBinary(input, message, options);
      } catch (error) {
        throw new ConnectError(`serialize binary: ${messageOf(error)}`, Code.Internal);
      }
    },
    read(bytes) {
      try {
        return fromBinary(output, plain(bytes), options);
      } catch (error) {
        throw new ConnectError(`parse binary: ${messageOf(error)}`, Code.Internal);
      }
    },
  };
}

/** Messages show views of their bytes, which decompression gives as a `Buffer`. */
function plain(bytes: Uint8Array): Uint8Array {
  if (bytes.constructor === Uint8Array) return bytes;
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function json(
  input: DescMessage,
  output: DescMessage,
  given: Partial<JsonReadOptions & JsonWriteOptions> | undefined,
): Format {
  const options = { ...given, ignoreUnknownFields: given?.ignoreUnknownFields ?? true };
  return {
    write(message) {
      try {
        return encoder.encode(toJsonString(input, message, options));
      } catch (error) {
        throw ConnectError.from(error, Code.Internal);
      }
    },
    read(bytes) {
      try {
        return fromJsonString(output, decoder.decode(bytes), options);
      } catch (error) {
        throw ConnectError.from(error, Code.InvalidArgument);
      }
    },
  };
}
