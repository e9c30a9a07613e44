import {
  createChannel,
  type HeaderList,
  parseTarget,
  StatusCode,
  StatusError,
  type StreamListener,
} from "@evenkeel/core";
import { createHttp2Connector } from "@evenkeel/http2";
import { host } from "./children.ts";

const chunkLength = 64 * 1024;

export interface HttpResponse {
  readonly status: number;
  readonly headers: HeaderList;
  readonly body: Uint8Array;
  readonly trailers: HeaderList;
}

export interface HttpRequest {
  readonly headers?: HeaderList;
  readonly body?: Uint8Array;
}

/** Plain HTTP requests over a channel of ours: what its connections do where no RPC protocol is spoken. */
export class HttpClient {
  readonly #channel: ReturnType<typeof createChannel>;

  /** Over TLS where there is a certificate to trust. */
  constructor(port: number, ca: string | undefined) {
    const target = `${ca === undefined ? "http" : "https"}://${host}:${port}`;
    const nodeOptions = ca === undefined ? {} : { ca };
    const connector = createHttp2Connector({ target: parseTarget(target), nodeOptions });
    this.#channel = createChannel({ target, connector });
  }

  request(method: string, path: string, { headers = [], body }: HttpRequest = {}): Promise<HttpResponse> {
    return new Promise((resolve, reject) => {
      this.#channel.pick(
        { path },
        {
          failed: reject,
          picked: (connection) => {
            const response = { status: 0, headers: [] as HeaderList, trailers: [] as HeaderList };
            const chunks: Uint8Array[] = [];
            let offset = 0;
            const send = (): void => {
              while (body !== undefined && offset < body.length) {
                const chunk = body.subarray(offset, offset + chunkLength);
                offset += chunk.length;
                if (!stream.write(chunk)) return;
              }
              stream.end();
            };
            const listener: StreamListener = {
              headers(status, list) {
                response.status = status;
                response.headers = list;
              },
              data: (chunk) => chunks.push(chunk.slice()),
              drained: send,
              trailers(list) {
                response.trailers = list;
              },
              closed: (end) => {
                const isComplete = end.kind === "complete";
                this.#channel.report(
                  connection,
                  { path },
                  {
                    code: isComplete ? StatusCode.ok : StatusCode.unavailable,
                    fate: isComplete ? "answered" : end.fate,
                    firstByteMs: undefined,
                    durationMs: 0,
                  },
                );
                if (isComplete) resolve({ ...response, body: Buffer.concat(chunks) });
                else reject(end.error);
              },
            };
            const stream = connection.open({ method, path, headers, endStream: body === undefined }, listener);
            if (body !== undefined) send();
          },
        },
      );
    });
  }

  destroy(): void {
    this.#channel.destroy(new StatusError(StatusCode.canceled, "the check is over"));
  }
}
