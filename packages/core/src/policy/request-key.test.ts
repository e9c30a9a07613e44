import { describe, expect, test } from "vitest";
import { type RequestKey, requestKeyOption } from "./request-key.ts";

const path = "/demo.v1.Demo/Call";

describe("a request key", () => {
  test("is a header, whatever the case of its name", () => {
    const keyOf = requestKeyOption({ header: "X-User-Id" });
    const asked: string[] = [];
    const header = (name: string): string => {
      asked.push(name);
      return "ann";
    };
    expect(keyOf({ path, header })).toBe("ann");
    expect(asked).toEqual(["x-user-id"]);
    expect(keyOf({ path, header: () => undefined })).toBeUndefined();
    expect(keyOf({ path })).toBeUndefined();
  });

  test("is a context value, or its default", () => {
    const key = { id: Symbol("user"), defaultValue: "nobody" };
    const keyOf = requestKeyOption({ contextValue: key });
    const values = new Map<symbol, unknown>([[key.id, "ann"]]);
    const contextValues = {
      get: <T>({ id, defaultValue }: { id: symbol; defaultValue: T }): T => (values.get(id) as T) ?? defaultValue,
    };
    expect(keyOf({ path, contextValues })).toBe("ann");
    values.clear();
    expect(keyOf({ path, contextValues })).toBe("nobody");
    expect(keyOf({ path })).toBe("nobody");
  });

  test("is what a function makes of the RPC", () => {
    const keyOf = requestKeyOption((rpc) => `${rpc.path}?${String(rpc.message)}`);
    expect(keyOf({ path, message: "ann" })).toBe(`${path}?ann`);
  });

  test.each([
    [undefined, "key: expected { header }, { contextValue } or a function of the RPC, got undefined"],
    ["x-user-id", "key: expected { header }, { contextValue } or a function of the RPC, got x-user-id"],
    [null, "key: expected { header }"],
    [{}, "key: expected one of header and contextValue"],
    [{ cookie: "user" }, "cookie: no option of key, which has header, contextValue"],
    [{ header: "a", contextValue: { id: Symbol(), defaultValue: "" } }, "key: expected one of header and contextValue"],
    [{ header: "" }, 'key.header: expected the name of a header, got ""'],
    [{ header: "user id" }, 'key.header: expected the name of a header, got "user id"'],
    [{ header: ":path" }, 'key.header: expected the name of a header, got ":path"'],
    [{ header: 5 }, "key.header: expected the name of a header, got 5"],
    [{ header: "x-user-Bin" }, "key.header: x-user-bin is binary"],
    [{ contextValue: "user" }, "key.contextValue: expected a context key, got user"],
    [{ contextValue: undefined }, "key.contextValue: expected a context key, got undefined"],
  ])("is not %j", (key, message) => {
    const refused = () => requestKeyOption(key as RequestKey);
    expect(refused).toThrow(TypeError);
    expect(refused).toThrow(message);
  });
});
