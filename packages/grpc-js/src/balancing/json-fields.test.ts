import { describe, expect, test } from "vitest";
import { decimal, defined, duration, type Field, integer, message, oneOf, readFields, text } from "./json-fields.ts";

const fields = {
  count: integer({ min: 2, max: 2 ** 32 - 1 }),
  ratio: decimal({ min: 0.5, max: Number.POSITIVE_INFINITY }),
  wait: duration({ min: 100, max: 2 ** 31 - 1 }),
  zone: text("the name of a zone"),
  name: text("a name", /^[a-z]+$/),
  hints: oneOf("honour", "ignore"),
  inner: message({ count: integer({ min: 0, max: 100 }) }),
} satisfies Record<string, Field<unknown>>;

describe("the fields of a config", () => {
  test.each([
    [{}, {}],
    [
      { count: 2, ratio: 0.5 },
      { count: 2, ratio: 0.5 },
    ],
    [
      { count: 3.0, ratio: 3 },
      { count: 3, ratio: 3 },
    ],
    [{ count: "4294967295" }, { count: 4_294_967_295 }],
    [
      { count: "1e1", ratio: "2.5e0" },
      { count: 10, ratio: 2.5 },
    ],
    [{ ratio: "Infinity" }, { ratio: Number.POSITIVE_INFINITY }],
    [{ wait: "0.1s" }, { wait: 100 }],
    [{ wait: "1.001s" }, { wait: 1_001 }],
    [{ wait: "2.000000001s" }, { wait: 2_000.000001 }],
    [{ wait: "0000000001s" }, { wait: 1_000 }],
    [{ wait: "2147483.647s" }, { wait: 2_147_483_647 }],
    [
      { zone: " ", name: "a", hints: "ignore" },
      { zone: " ", name: "a", hints: "ignore" },
    ],
    [{ inner: {} }, { inner: {} }],
    [{ inner: { count: "0" } }, { inner: { count: 0 } }],
  ])("are read: %j", (json, values) => {
    expect(readFields(json, "", fields)).toStrictEqual(values);
  });

  test("that are null are as if they were not there", () => {
    const json = { count: null, ratio: null, wait: null, zone: null, name: null, hints: null, inner: null };
    expect(readFields(json, "", fields)).toStrictEqual({});
    expect(readFields({ inner: { count: null } }, "", fields)).toStrictEqual({ inner: {} });
  });

  test.each([
    [{ count: 1 }, RangeError, "count: expected an integer from 2 to 4294967295, got 1"],
    [{ count: "1" }, RangeError, 'count: expected an integer from 2 to 4294967295, got "1"'],
    [{ count: 2.5 }, RangeError, "count: expected an integer from 2 to 4294967295, got 2.5"],
    [{ count: "4294967296" }, RangeError, 'count: expected an integer from 2 to 4294967295, got "4294967296"'],
    [{ count: "Infinity" }, RangeError, 'count: expected an integer from 2 to 4294967295, got "Infinity"'],
    [{ count: "two" }, TypeError, 'count: expected an integer from 2 to 4294967295, got "two"'],
    [{ count: "" }, TypeError, 'count: expected an integer from 2 to 4294967295, got ""'],
    [{ count: "0x10" }, TypeError, 'count: expected an integer from 2 to 4294967295, got "0x10"'],
    [{ count: " 5" }, TypeError, 'count: expected an integer from 2 to 4294967295, got " 5"'],
    [{ count: true }, TypeError, "count: expected an integer from 2 to 4294967295, got true"],
    [{ count: [5] }, TypeError, "count: expected an integer from 2 to 4294967295, got [5]"],
    [{ count: { value: 5 } }, TypeError, 'count: expected an integer from 2 to 4294967295, got {"value":5}'],
    [{ ratio: 0.4 }, RangeError, "ratio: expected a number from 0.5 to Infinity, got 0.4"],
    [{ ratio: "-Infinity" }, RangeError, 'ratio: expected a number from 0.5 to Infinity, got "-Infinity"'],
    [{ ratio: "NaN" }, TypeError, 'ratio: expected a number from 0.5 to Infinity, got "NaN"'],
    [{ wait: 5 }, TypeError, 'wait: expected a duration from "0.1s" to "2147483.647s", got 5'],
    [{ wait: "5" }, TypeError, 'wait: expected a duration from "0.1s" to "2147483.647s", got "5"'],
    [{ wait: "5ms" }, TypeError, 'wait: expected a duration from "0.1s" to "2147483.647s", got "5ms"'],
    [{ wait: ".5s" }, TypeError, 'wait: expected a duration from "0.1s" to "2147483.647s", got ".5s"'],
    [{ wait: "1.s" }, TypeError, 'wait: expected a duration from "0.1s" to "2147483.647s", got "1.s"'],
    [{ wait: "1.0000000001s" }, TypeError, "wait: expected a duration"],
    [{ wait: "1s " }, TypeError, "wait: expected a duration"],
    [
      { wait: { seconds: 1, nanos: 0 } },
      TypeError,
      'wait: expected a duration from "0.1s" to "2147483.647s", got {"seconds":1,"nanos":0}',
    ],
    [{ wait: "0.099999999s" }, RangeError, 'wait: expected a duration from "0.1s" to "2147483.647s", got "0.09'],
    [{ wait: "-5s" }, RangeError, 'wait: expected a duration from "0.1s" to "2147483.647s", got "-5s"'],
    [
      { wait: "2147483.648s" },
      RangeError,
      'wait: expected a duration from "0.1s" to "2147483.647s", got "2147483.648s"',
    ],
    [{ zone: "" }, TypeError, 'zone: expected the name of a zone, got ""'],
    [{ zone: 5 }, TypeError, "zone: expected the name of a zone, got 5"],
    [{ name: "A" }, TypeError, 'name: expected a name, got "A"'],
    [{ hints: "honor" }, TypeError, 'hints: expected "honour" or "ignore", got "honor"'],
    [{ hints: 0 }, TypeError, 'hints: expected "honour" or "ignore", got 0'],
    [{ inner: [] }, TypeError, "inner: expected an object of fields, got []"],
    [{ inner: "{}" }, TypeError, 'inner: expected an object of fields, got "{}"'],
    [{ inner: { count: -1 } }, RangeError, "inner.count: expected an integer from 0 to 100, got -1"],
    [{ inner: { counts: null } }, TypeError, "inner.counts: no field of inner, which has count"],
    [{ Count: 5 }, TypeError, "Count: no field of this policy, which has count, ratio, wait, zone, name, hints, inner"],
    [{ toString: 5 }, TypeError, "toString: no field of this policy"],
    [JSON.parse('{ "__proto__": {} }'), TypeError, "__proto__: no field of this policy"],
    [[], TypeError, "expected an object of fields, got []"],
    ["", TypeError, 'expected an object of fields, got ""'],
    [5, TypeError, "expected an object of fields, got 5"],
    [null, TypeError, "expected an object of fields, got null"],
  ])("are refused: %j", (json, type, expected) => {
    const read = () => readFields(json, "", fields);
    expect(read).toThrow(type);
    expect(read).toThrow(expected);
  });

  test("show only the beginning of a long value", () => {
    expect(() => readFields({ name: "9".repeat(1_000) }, "", fields)).toThrow(
      new TypeError(`name: expected a name, got "${"9".repeat(59)}…`),
    );
  });
});

test("options that are not given have no property", () => {
  expect(defined({ a: 0, b: undefined, c: "" })).toStrictEqual({ a: 0, c: "" });
});
