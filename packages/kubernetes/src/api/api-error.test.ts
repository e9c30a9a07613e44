import { describe, expect, test } from "vitest";
import { ApiError, apiErrorOf } from "./api-error.ts";

describe("the error of a Status", () => {
  test("has its message and code", () => {
    const error = apiErrorOf({ kind: "Status", message: "too old resource version: 1 (2)", code: 410 });
    expect(error).toBeInstanceOf(ApiError);
    expect(error).toMatchObject({
      name: "ApiError",
      status: 410,
      message: "too old resource version: 1 (2) (410)",
      retryAfterMs: undefined,
    });
  });

  test("has the status of the response where there is one", () => {
    expect(apiErrorOf({ message: "no", code: 410 }, 503).status).toBe(503);
  });

  test.each([undefined, null, "text", 7, {}, { message: "", code: "410" }, { message: 7, details: null }])(
    "is made of anything: %j",
    (status) => {
      expect(apiErrorOf(status)).toMatchObject({ status: 500, message: "the API server gave no reason (500)" });
    },
  );

  test.each([
    ["1", undefined, 1_000],
    [undefined, 3, 3_000],
    ["2", 3, 2_000],
    ["0", undefined, undefined],
    ["-1", undefined, undefined],
    ["", undefined, undefined],
    ["Wed, 21 Oct 2026 07:28:00 GMT", undefined, undefined],
    [undefined, "soon", undefined],
    [undefined, null, undefined],
  ])("asks to wait for the seconds of Retry-After, else those of its details: %j, %j", (header, detail, ms) => {
    const error = apiErrorOf({ message: "no", details: { retryAfterSeconds: detail } }, 429, header);
    expect(error.retryAfterMs).toBe(ms);
  });
});
