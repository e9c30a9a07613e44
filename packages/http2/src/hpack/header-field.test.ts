import { expect, it } from "vitest";
import { sizeOfField } from "./header-field.ts";

it("counts name, value and 32 bytes", () => {
  expect(sizeOfField(["", ""])).toBe(32);
  expect(sizeOfField(["custom-key", "custom-header"])).toBe(55);
  expect(sizeOfField(["k", "\xff\xfe"])).toBe(35);
});
