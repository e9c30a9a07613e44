import { once } from "node:events";
import http from "node:http";
import https from "node:https";
import { connect, type Socket } from "node:net";
import type { TestContext } from "vitest";

/** A socket that speaks HTTP/1.1 by hand, and keeps all it was answered. */
export interface RawHttp1 {
  readonly socket: Socket;
  text(): string;
  ended(): boolean;
  closed(): boolean;
}

type AtEnd = TestContext["onTestFinished"];

export async function connectHttp1(port: number, atEnd: AtEnd): Promise<RawHttp1> {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
  let text = "";
  let ended = false;
  let closed = false;
  socket.setEncoding("latin1").on("data", (chunk: string) => {
    text += chunk;
  });
  socket.on("end", () => {
    ended = true;
    socket.end();
  });
  socket.on("close", () => {
    closed = true;
  });
  socket.on("error", () => {});
  atEnd(async () => {
    if (closed) return;
    const gone = once(socket, "close");
    socket.destroy();
    await gone;
  });
  await once(socket, "connect");
  return { socket, text: () => text, ended: () => ended, closed: () => closed };
}

/** An agent that keeps its connections, as a client's pool does. */
export function keepAliveAgent(atEnd: AtEnd, maxSockets = 1, secure = false): http.Agent {
  const options = { keepAlive: true, maxSockets };
  const agent = secure ? new https.Agent({ ...options, rejectUnauthorized: false }) : new http.Agent(options);
  atEnd(() => agent.destroy());
  return agent;
}

export interface Answer {
  readonly status: number | undefined;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
  /** Whether the request went out on a connection that had carried one before. */
  readonly reused: boolean;
}

export async function request(url: string, options: http.RequestOptions = {}, body?: Uint8Array): Promise<Answer> {
  const sent = (url.startsWith("https:") ? https : http).request(url, options);
  sent.end(body);
  const [response] = (await once(sent, "response")) as [http.IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return {
    status: response.statusCode,
    headers: response.headers,
    body: Buffer.concat(chunks).toString(),
    reused: sent.reusedSocket,
  };
}
