import { describe, expect, test, vi } from "vitest";
import { resolved, uriOf } from "../../test-helpers/targets.ts";
import { staticTarget } from "./static-target.ts";
import { defaultAuthority } from "./target-type.ts";

test("a target is taken apart once, however many connections ask for its authority", () => {
  const parse = vi.fn(staticTarget.parse);
  const uri = uriOf("static:///10.0.0.1:80,10.0.0.2:80");
  for (let connection = 0; connection < 3; connection++) {
    expect(defaultAuthority({ scheme: "static", parse }, uri)).toBe("10.0.0.1:80");
  }
  expect(parse).toHaveBeenCalledTimes(1);
});

describe("static:///", () => {
  test.each([
    ["static:///10.0.0.1:80", "10.0.0.1:80", "10.0.0.1:80"],
    ["static:///10.0.0.1:80,orders:81,[::1]:82", "10.0.0.1:80 orders:81 [::1]:82", "10.0.0.1:80"],
    ["static:[::1]:82", "[::1]:82", "[::1]:82"],
  ])("%s is %s", async (target, endpoints, authority) => {
    expect(await resolved(staticTarget, target)).toBe(endpoints);
    expect(defaultAuthority(staticTarget, uriOf(target))).toBe(authority);
  });

  test.each([
    ["static:///10.0.0.1", 'malformed endpoint "10.0.0.1": expected "host:port"'],
    ["static:///10.0.0.1:80,", 'malformed endpoint "": expected "host:port"'],
    ["static:///10.0.0.1:80, 10.0.0.2:80", 'malformed endpoint " 10.0.0.2:80"'],
    ["static:///::1:80", 'malformed endpoint "::1:80"'],
    ["static:///10.0.0.1:0", 'malformed endpoint "10.0.0.1:0": expected a port from 1 to 65535'],
    ["static:///10.0.0.1:80,10.0.0.1:80", 'endpoint "10.0.0.1:80" is given twice'],
    ["static://10.0.0.1:80", 'malformed target: expected "static:///host:port,host:port"'],
    ["static://orders/10.0.0.1:80", 'malformed target: there is no place for "orders", expected "static:///'],
  ])("%s is malformed", (target, message) => {
    expect(() => staticTarget.parse(uriOf(target))).toThrow(TypeError);
    expect(() => staticTarget.parse(uriOf(target))).toThrow(message);
    expect(() => staticTarget.parse(uriOf(target))).not.toThrow("{host, port}");
    expect(defaultAuthority(staticTarget, uriOf(target))).toBe(uriOf(target).path);
  });
});
