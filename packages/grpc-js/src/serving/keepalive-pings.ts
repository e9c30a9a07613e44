import type { ServerHttp2Session } from "node:http2";
import { type Method, replaceMethod } from "./grpc-server.ts";
import type { AnyHttp2Server } from "./listen-watch.ts";

/**
 * Keeps grpc-js's own keepalive (`grpc.keepalive_time_ms`) from cutting the streams of a retired connection: node sends
 * no PING once a session is closed, and grpc-js destroys the session then. Such a session's `ping()` says instead that
 * it was sent, and answered: nothing finds a dead client from then on, until the retirement's or the shutdown's limit.
 */
export function answerPingsOfClosed(server: AnyHttp2Server): void {
  server.prependListener("session", (session: ServerHttp2Session) => {
    const ping: Method = replaceMethod(session, "ping", (...args) => {
      const [callback] = args.slice(-1);
      if (!session.closed || session.destroyed || typeof callback !== "function") return ping(...args);
      process.nextTick(callback, null, 0, Buffer.alloc(8));
      return true;
    });
  });
}
