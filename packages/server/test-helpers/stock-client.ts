import http2 from "node:http2";
import { syncBuiltinESMExports } from "node:module";

/**
 * Keeps a defect of connect-node (2.2.0) from ending the test's process: an RPC that begins in the turn in which an idle
 * connection reads a GOAWAY makes its session manager drop the listener for the session's "error" event before that
 * event comes. Any server's GOAWAY does it.
 */
export function guardStockClients(): () => void {
  const { connect } = http2;
  const guarded = (...args: Parameters<typeof connect>): http2.ClientHttp2Session =>
    connect(...args).on("error", () => {});
  http2.connect = guarded as typeof connect;
  syncBuiltinESMExports();
  return () => {
    http2.connect = connect;
    syncBuiltinESMExports();
  };
}
