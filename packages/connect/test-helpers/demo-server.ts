import { createServer, type ServerHttp2Session } from "node:http2";
import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { listen } from "../../server/test-helpers/servers.ts";
import { DemoService } from "../gen/demo/v1/demo_pb.ts";

/** A connect-node server of the demo service on 127.0.0.1. */
export interface DemoServer extends AsyncDisposable {
  readonly address: string;
  /** Headers of the requests that came in, in their order. */
  readonly requests: Headers[];
  readonly sessions: ReadonlySet<ServerHttp2Session>;
}

export async function startDemoServer(pod: string): Promise<DemoServer> {
  const requests: Headers[] = [];
  const sessions = new Set<ServerHttp2Session>();
  const server = createServer(connectNodeAdapter({ routes: (router) => demoRoutes(router, pod, requests) }));
  server.on("session", (session) => {
    sessions.add(session);
    session.on("close", () => sessions.delete(session));
  });
  let end = async (): Promise<void> => {};
  const port = await listen(server, (cut) => {
    end = cut;
  });
  return {
    address: `127.0.0.1:${port}`,
    requests,
    sessions,
    [Symbol.asyncDispose]: () => end(),
  };
}

export function demoRoutes(router: ConnectRouter, pod: string, requests: Headers[]): void {
  router.service(DemoService, {
    async ping({ work, payload }, { requestHeader, signal }) {
      requests.push(requestHeader);
      await pause(work?.delayMs ?? 0, signal);
      return { pod, payload: payload.length > 0 ? payload : new Uint8Array(work?.payloadBytes ?? 0) };
    },
    async charge({ payload }, context) {
      requests.push(context.requestHeader);
      if (payload.length === 1) {
        throw new ConnectError("no funds", Code.FailedPrecondition, { "x-reason": "poor" }, [
          { desc: DemoService.method.charge.output, value: { pod } },
        ]);
      }
      context.responseHeader.set("x-header", "h");
      context.responseTrailer.set("x-trailer", "t");
      return { pod };
    },
    async *count({ to, work }, { signal }) {
      for (let number = 1; number <= to; number++) {
        await pause(work?.delayMs ?? 0, signal);
        yield { pod, number };
      }
    },
    async collect(messages) {
      let sum = 0n;
      let received = 0;
      for await (const { number } of messages) {
        sum += BigInt(number);
        received++;
      }
      return { pod, sum, received };
    },
    async *chat(messages) {
      for await (const { text } of messages) yield { pod, text };
    },
  });
}

/** A handler whose deadline has passed answers with that, and not with the error of what it waited for. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => signal.throwIfAborted());
}
