import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { Code, ConnectError, decodeBinaryHeader } from "@connectrpc/connect";
import { type HeaderList, messageOf } from "@evenkeel/core";
import { hasHeader, headerValue, toHeaders } from "./headers.ts";

export const statusHeader = "grpc-status";
const messageHeader = "grpc-message";
const detailsHeader = "grpc-status-details-bin";

/**
 * The error that `fields` (trailers, or headers of a response without a body) state, with `fields` and `others` as its
 * metadata. Details count before `grpc-status`, as in Connect.
 *
 * Throws DataLoss for details that cannot be read.
 */
export function statusError(fields: HeaderList, ...others: readonly HeaderList[]): ConnectError | undefined {
  const details = headerValue(fields, detailsHeader);
  const status = details === undefined ? statusOf(fields) : decodeStatus(details);
  if (status === undefined || status.code === 0) return undefined;
  const error = new ConnectError(status.message, status.code, toHeaders(fields, ...others));
  error.details = [...status.details];
  return fromWire(error);
}

/** Marks an error as a server's, so that a server that passes it on leaves out its metadata, as with Connect's own. */
export function fromWire(error: ConnectError): ConnectError {
  error.isWireError = true;
  return error;
}

/** Throws what trailers say, and Internal where neither they nor the headers say anything. */
export function checkTrailers(trailers: HeaderList, headers: HeaderList): void {
  // by far most are these: a status, and that 0
  const status = headerValue(trailers, statusHeader);
  if (status === "0" && trailers.length === 1) return;
  const error = statusError(trailers, headers);
  if (error !== undefined) throw error;
  if (status !== undefined || hasHeader(headers, statusHeader)) return;
  throw new ConnectError("protocol error: missing status", Code.Internal);
}

/** `grpc-message` is percent-encoded; what is not is taken as it is. */
export function decodeMessage(text: string): string {
  if (!text.includes("%")) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** A google.rpc.Status. */
interface Status {
  readonly code: number;
  readonly message: string;
  readonly details: readonly { readonly type: string; readonly value: Uint8Array<ArrayBuffer> }[];
}

function statusOf(fields: HeaderList): Status | undefined {
  const text = headerValue(fields, statusHeader);
  if (text === undefined || text === "0") return undefined;
  const code = Number.parseInt(text, 10);
  if (!(code in Code)) return { code: Code.Internal, message: `invalid grpc-status: ${text}`, details: [] };
  return { code, message: decodeMessage(headerValue(fields, messageHeader) ?? ""), details: [] };
}

function decodeStatus(header: string): Status {
  const bytes = decodeBinaryHeader(header);
  try {
    return readStatus(new BinaryReader(bytes));
  } catch (error) {
    throw new ConnectError(messageOf(error), Code.DataLoss, undefined, undefined, error);
  }
}

/** code = 1, message = 2, details = 3: google.protobuf.Any. */
function readStatus(reader: BinaryReader): Status {
  let code = 0;
  let message = "";
  const details: Status["details"][number][] = [];
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1 && wireType === WireType.Varint) code = reader.int32();
    else if (field === 2 && wireType === WireType.LengthDelimited) message = reader.string();
    else if (field === 3 && wireType === WireType.LengthDelimited) details.push(readAny(reader.bytes()));
    else reader.skip(wireType, field);
  }
  return { code, message, details };
}

/** type_url = 1, value = 2. */
function readAny(bytes: Uint8Array): Status["details"][number] {
  const reader = new BinaryReader(bytes);
  let type = "";
  let value = new Uint8Array(0);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1 && wireType === WireType.LengthDelimited) {
      const url = reader.string();
      type = url.slice(url.lastIndexOf("/") + 1);
    } else if (field === 2 && wireType === WireType.LengthDelimited) value = new Uint8Array(reader.bytes());
    else reader.skip(wireType, field);
  }
  return { type, value };
}
