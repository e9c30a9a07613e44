import { expect, it } from "vitest";
import { HpackError } from "./hpack-error.ts";

it("can be told from other errors", () => {
  const error = new HpackError("index 0");
  expect(error).toBeInstanceOf(Error);
  expect(String(error)).toBe("HpackError: index 0");
});
