import { promisify } from "node:util";
import { brotliCompress, brotliDecompress, gunzip, gzip, type ZlibOptions } from "node:zlib";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";

/** gzip (RFC 1952), for `sendCompression` and `acceptCompression`. */
export const compressionGzip: Compression = createCompression("gzip", promisify(gzip), promisify(gunzip));

/** Brotli (RFC 7932), for `sendCompression` and `acceptCompression`. */
export const compressionBrotli: Compression = createCompression(
  "br",
  (bytes) => promisify(brotliCompress)(bytes),
  promisify(brotliDecompress),
);

type Transform = (bytes: Uint8Array, options: ZlibOptions) => Promise<Uint8Array<ArrayBuffer>>;

function createCompression(name: string, compress: Transform, decompress: Transform): Compression {
  return {
    name,
    compress: (bytes) => compress(bytes, {}),
    async decompress(bytes, readMaxBytes) {
      if (bytes.length === 0) return new Uint8Array(0);
      try {
        return await decompress(bytes, { maxOutputLength: readMaxBytes });
      } catch (error) {
        throw decompressionError(error, readMaxBytes);
      }
    },
  };
}

/** As in connect-node: what was not compressed at all is the sender's fault. */
function decompressionError(error: unknown, readMaxBytes: number): ConnectError {
  const cause = error instanceof Error && "code" in error ? String(error.code) : "";
  if (cause === "ERR_BUFFER_TOO_LARGE") {
    const message = `message is larger than configured readMaxBytes ${readMaxBytes} after decompression`;
    return new ConnectError(message, Code.ResourceExhausted, undefined, undefined, error);
  }
  const isMalformed = cause === "Z_DATA_ERROR" || cause === "ERR_PADDING_2" || cause.startsWith("ERR__ERROR_FORMAT_");
  const code = isMalformed ? Code.InvalidArgument : Code.Internal;
  return new ConnectError("decompression failed", code, undefined, undefined, error);
}
