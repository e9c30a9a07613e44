import { once } from "node:events";
import { type ClientRequest, type IncomingMessage, request } from "node:http";
import { request as secureRequest } from "node:https";
import { text } from "node:stream/consumers";
import { onTestFinished } from "vitest";
import { type PretendApiServer, startApiServer } from "../src/api-server/api-server.ts";
import type { ApiServerOptions } from "../src/api-server/options.ts";

export const slicesPath = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
export const servicesPath = "/api/v1/namespaces/default/services";
export const ofOrders = "labelSelector=kubernetes.io%2Fservice-name%3Dorders";

/** What JSON the tests look into. */
export interface Json {
  readonly [key: string]: Json;
}

export interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingMessage["headers"];
  readonly text: string;
  readonly json: Json;
}

export interface RequestOptions {
  readonly method?: string;
  /** `null`: none. */
  readonly token?: string | null;
}

export interface Event {
  readonly type: string;
  readonly object: Json;
}

/** A server that ends with the test. */
export async function start(options?: ApiServerOptions): Promise<PretendApiServer> {
  const api = await startApiServer(options);
  onTestFinished(() => api.close());
  return api;
}

export function send(api: PretendApiServer, path: string, options: RequestOptions = {}): ClientRequest {
  const { method = "GET", token = api.token } = options;
  const headers = token === null ? {} : { authorization: `Bearer ${token}` };
  const where = { host: api.host, port: api.port, method, path, headers, agent: false as const };
  const sent = api.ca === undefined ? request(where) : secureRequest({ ...where, ca: api.ca });
  sent.on("error", () => {}); // those who want to know ask, see failureOf
  onTestFinished(() => void sent.destroy());
  return sent.end();
}

export async function ask(api: PretendApiServer, path: string, options?: RequestOptions): Promise<Answer> {
  const sent = send(api, path, options);
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  const body = await text(response);
  const isJson = response.headers["content-type"] === "application/json";
  return { status: response.statusCode, headers: response.headers, text: body, json: isJson ? JSON.parse(body) : {} };
}

/** Names of a list's items. */
export const namesOf = (list: Json): unknown[] => (list["items"] as unknown as Json[]).map(nameOf);

export const nameOf = (object: Json): unknown => object["metadata"]?.["name"];

export const versionOf = (object: Json): string => String(object["metadata"]?.["resourceVersion"]);

/** The code of the error that a request ends with, before or after its response. */
export async function failureOf(sent: ClientRequest): Promise<unknown> {
  const [error] = await once(sent, "error").catch((reason) => [reason]);
  return error.code;
}

/** A watch, read line by line. */
export class WatchClient {
  readonly response: IncomingMessage;
  readonly #lines: AsyncGenerator<Event, void>;

  constructor(response: IncomingMessage) {
    this.response = response;
    this.#lines = this.#read();
  }

  static async open(api: PretendApiServer, path: string): Promise<WatchClient> {
    const [response] = (await once(send(api, `${path}watch=1`), "response")) as [IncomingMessage];
    return new WatchClient(response);
  }

  /** The next event. Rejects when there is none. */
  async next(): Promise<Event> {
    const { value } = await this.#lines.next();
    if (value === undefined) throw new Error("the watch has ended");
    return value;
  }

  async take(count: number): Promise<readonly Event[]> {
    const events: Event[] = [];
    while (events.length < count) events.push(await this.next());
    return events;
  }

  /** The events up to its end in good order. Rejects with how it ends otherwise. */
  async rest(): Promise<readonly Event[]> {
    const events: Event[] = [];
    for await (const event of this.#lines) events.push(event);
    return events;
  }

  async *#read(): AsyncGenerator<Event, void> {
    let unread = "";
    for await (const chunk of this.response) {
      const lines = (unread + chunk).split("\n");
      unread = lines.pop() ?? "";
      for (const line of lines) yield JSON.parse(line);
    }
    if (unread !== "") throw new Error(`no end of line: ${unread}`);
  }
}

/** `type name@version`, or for an error its code. */
export function summary({ type, object }: Event): string {
  return type === "ERROR" ? `ERROR ${object["code"]}` : `${type} ${nameOf(object) ?? "-"}@${versionOf(object)}`;
}
