import { randomUUID } from "node:crypto";
import type { ServerResponse } from "node:http";
import type { Status } from "./status.ts";

/** Writes answers, with the headers that the real server has. */
export class Responder {
  /** Ids of the rules by which flow control has sorted requests. */
  readonly #flowSchema: string = randomUUID();
  readonly #priorityLevel: string = randomUUID();

  /** Sets what every answer has, whatever it will be. */
  prepare(response: ServerResponse): void {
    response.setHeader("audit-id", randomUUID());
    response.setHeader("cache-control", "no-cache, private");
  }

  /** Sets what answers have that come from beyond authentication. */
  classify(response: ServerResponse): void {
    response.setHeader("x-kubernetes-pf-flowschema-uid", this.#flowSchema);
    response.setHeader("x-kubernetes-pf-prioritylevel-uid", this.#priorityLevel);
  }

  json(response: ServerResponse, code: number, body: string): void {
    response.writeHead(code, { "content-type": "application/json" });
    response.end(body);
  }

  status(response: ServerResponse, status: Status): void {
    const { retryAfterSeconds } = status.details ?? {};
    if (status.code === 403) response.setHeader("x-content-type-options", "nosniff");
    if (retryAfterSeconds !== undefined) response.setHeader("retry-after", retryAfterSeconds);
    this.json(response, status.code, `${JSON.stringify(status)}\n`);
  }

  /** What the filters before the API say, they say in words. */
  text(response: ServerResponse, code: number, message: string): void {
    response.writeHead(code, { "content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff" });
    response.end(`${message}\n`);
  }
}
