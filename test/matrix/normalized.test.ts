import { expect, test } from "vitest";
import { normalized } from "./normalized.ts";

test.each([
  [
    "[unavailable] connection 17 to 127.4.5.6:40123: read ECONNRESET",
    "[unavailable] connection N to ADDRESS: read ECONNRESET",
  ],
  ["connect ECONNREFUSED 127.0.0.1:8080", "connect ECONNREFUSED ADDRESS"],
  ["pod-12 (127.4.5.6:40123): stream 301 of connection #2", "POD (ADDRESS): stream N of connection #N"],
  ["4 DEADLINE_EXCEEDED: Deadline exceeded after 5.003s", "4 DEADLINE_EXCEEDED: Deadline exceeded after Ns"],
  ["did not answer within 1500 ms", "did not answer within N ms"],
  ["http://pod.default.svc.cluster.local:40123/", "http://pod.default.svc.cluster.local:PORT/"],
  ["wrong response: to 17 instead of 18", "wrong response: to N instead of N"],
  ["two\n  lines ", "two lines"],
])("%s", (message, expected) => {
  expect(normalized(message)).toBe(expected);
});

test.each([
  "14 UNAVAILABLE: Stream refused by server",
  "13 INTERNAL: Received RST_STREAM with code 2 (Internal server error)",
  "[internal] Stream closed with error code NGHTTP2_REFUSED_STREAM",
])("what tells one cause from another stays: %s", (message) => {
  expect(normalized(message)).toBe(message);
});
