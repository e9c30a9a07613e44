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
        const isTooLarge = error instanceof Error && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE";
        const message = isTooLarge
          ? `message is larger than readMaxBytes ${readMaxBytes} after decompression`
          : `${name} decompression failed`;
        const code = isTooLarge ? Code.ResourceExhausted : Code.InvalidArgument;
        throw new ConnectError(message, code, undefined, undefined, error);
      }
    },
  };
}
