import { describe, expect, test } from "vitest";
import { messageOf, StatusCode, StatusError } from "./errors.ts";

describe("messageOf", () => {
  test("is an error's message", () => {
    expect(messageOf(new StatusError(StatusCode.unavailable, "gone"))).toBe("gone");
  });

  test("is the text of anything else that was thrown", () => {
    expect(messageOf("gone")).toBe("gone");
    expect(messageOf(undefined)).toBe("undefined");
  });

  test("joins the messages of an AggregateError without one, as net.connect throws it", () => {
    const error = new AggregateError([
      new Error("connect ECONNREFUSED ::1:80"),
      new Error("connect ECONNREFUSED 127.0.0.1:80"),
    ]);
    expect(messageOf(error)).toBe("connect ECONNREFUSED ::1:80; connect ECONNREFUSED 127.0.0.1:80");
    expect(messageOf(new AggregateError([new Error("one")], "all failed"))).toBe("all failed");
  });
});

describe("a StatusError", () => {
  test("carries code, message and cause", () => {
    const cause = new Error("why");
    const error = new StatusError(StatusCode.internal, "what", { cause });
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({ name: "StatusError", code: 13, message: "what", cause });
  });
});
