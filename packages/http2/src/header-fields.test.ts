import { describe, expect, it } from "vitest";
import { faultOfField, faultOfValue } from "./header-fields.ts";

describe("faultOfField", () => {
  it("finds none in what is well-formed, however often it is asked", () => {
    for (let time = 0; time < 2; time++) {
      expect(faultOfField("grpc-status-details-bin", "\t !~\x7f\xff")).toBeUndefined();
      expect(faultOfField("!#$%&'*+-.^_`|~09az", "")).toBeUndefined();
    }
  });

  it("finds the same fault of a name every time", () => {
    for (let time = 0; time < 2; time++) {
      for (const name of ["", "A", "a b", "a:", ":path", "\xe4", "a\n"]) {
        expect(faultOfField(name, "1")).toBe(`the name ${JSON.stringify(name)}`);
      }
      for (const name of ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"]) {
        expect(faultOfField(name, "1")).toBe(`"${name}", which HTTP/2 does not allow`);
      }
    }
  });

  it("finds the fault of a value, also behind a name that it knows", () => {
    for (const value of ["\0", "a\rb", "a\n", "\u0100", "\u{1f600}"]) {
      expect(faultOfField("a", value)).toBe('the value of "a"');
      expect(faultOfValue(":path", value)).toBe('the value of ":path"');
    }
  });

  it("goes on to look at names after it has seen very many", () => {
    for (let count = 0; count < 2_000; count++) expect(faultOfField(`x-${count}`, "")).toBeUndefined();
    expect(faultOfField("X-1", "")).toBe('the name "X-1"');
    expect(faultOfField("x".repeat(10_000), "")).toBeUndefined();
  });
});
