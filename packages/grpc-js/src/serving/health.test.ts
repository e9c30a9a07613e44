import { once } from "node:events";
import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { until } from "../../../server/test-helpers/raw-client.ts";
import { endHealthWatches } from "./health.ts";

test("ends the streams of health watches when the server drains, those that come after it, and no others", async () => {
  const drain = new AbortController();
  const server = http2.createServer();
  server.on("stream", (stream: http2.ServerHttp2Stream) => stream.respond({ ":status": 200 }));
  endHealthWatches(server, drain.signal);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const session = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  onTestFinished(async () => {
    session.destroy();
    const closed = once(server, "close");
    server.close();
    await closed;
  });
  const open = (path: string): http2.ClientHttp2Stream =>
    session.request({ ":path": path, ":method": "POST" }).on("error", () => {});
  const watch = "/grpc.health.v1.Health/Watch";
  const [before, other] = [open(watch), open("/grpc.health.v1.Health/Check")];
  await Promise.all([once(before, "response"), once(other, "response")]);
  drain.abort();
  const after = open(watch);
  await until("the end of both", () => before.closed && after.closed);
  const { NGHTTP2_CANCEL } = http2.constants;
  expect([before.rstCode, after.rstCode, other.closed]).toEqual([NGHTTP2_CANCEL, NGHTTP2_CANCEL, false]);
});
