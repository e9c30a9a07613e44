import { describe, expect, test } from "vitest";
import { requestTimeoutMs, setRequestTimeout } from "./request-timeout.ts";

const grpc = (timeout: string) => new Headers({ "content-type": "application/grpc+proto", "grpc-timeout": timeout });
const connect = (timeout: string) =>
  new Headers({ "content-type": "application/proto", "connect-timeout-ms": timeout });

describe("the timeout of a request", () => {
  test.each([
    ["2H", 7_200_000],
    ["3M", 180_000],
    ["4S", 4_000],
    ["250m", 250],
    ["1500u", 1.5],
    ["500000n", 0.5],
    ["0m", 0],
    ["99999999H", 99_999_999 * 3_600_000],
  ])("of gRPC: %s", (value, ms) => {
    expect(requestTimeoutMs(grpc(value))).toBeCloseTo(ms);
  });

  test.each([
    ["250", 250],
    ["0", 0],
    ["9999999999", 9_999_999_999],
  ])("of Connect: %s", (value, ms) => {
    expect(requestTimeoutMs(connect(value))).toBe(ms);
  });

  test.each(["", "12", "m", "123456789m", "-1m", "1.5S", "1 S"])("%j is none of gRPC's", (value) => {
    expect(requestTimeoutMs(grpc(value))).toBeUndefined();
  });

  test.each(["", "12345678901", "-1", "1.5", "1m"])("%j is none of Connect's", (value) => {
    expect(requestTimeoutMs(connect(value))).toBeUndefined();
  });

  test("is none where the header is missing, or is another protocol's", () => {
    expect(requestTimeoutMs(new Headers())).toBeUndefined();
    expect(requestTimeoutMs(new Headers({ "content-type": "application/grpc-web" }))).toBeUndefined();
    expect(requestTimeoutMs(new Headers({ "grpc-timeout": "1S" }))).toBeUndefined();
    expect(requestTimeoutMs(new Headers({ "connect-timeout-ms": "5" }))).toBe(5); // a GET has no content type
  });
});

describe("a timeout that is set", () => {
  test.each([
    [250, "250m"],
    [0.2, "1m"],
    [12.1, "13m"],
    [99_999_999, "99999999m"],
    [100_000_001, "100001S"],
    [1e15, "99999999S"],
  ])("for gRPC: %d", (ms, value) => {
    const header = new Headers({ "content-type": "application/grpc" });
    setRequestTimeout(header, ms);
    expect(header.get("grpc-timeout")).toBe(value);
    expect(header.has("connect-timeout-ms")).toBe(false);
  });

  test.each([
    [250, "250"],
    [0.2, "1"],
    [1e15, "9999999999"],
  ])("for Connect: %d", (ms, value) => {
    const header = new Headers({ "content-type": "application/connect+proto", "connect-timeout-ms": "7" });
    setRequestTimeout(header, ms);
    expect(header.get("connect-timeout-ms")).toBe(value);
    expect(header.has("grpc-timeout")).toBe(false);
  });
});
