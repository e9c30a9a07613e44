import { type HeaderList, parseTarget, type RequestHead } from "@evenkeel/core";
import { describe, expect, it } from "vitest";
import { HpackDecoder } from "./hpack/decoder.ts";
import { sizeOfField } from "./hpack/header-field.ts";
import { RequestEncoder } from "./request-encoder.ts";

const newEncoder = (): RequestEncoder => new RequestEncoder(parseTarget("http://orders.test:8080"));

const head = (headers: HeaderList = [], more: Partial<RequestHead> = {}): RequestHead => ({
  method: "POST",
  path: "/s/m",
  endStream: false,
  headers,
  ...more,
});

const pseudo = [
  [":method", "POST"],
  [":scheme", "http"],
  [":authority", "orders.test:8080"],
  [":path", "/s/m"],
] as const;
const pseudoSize = pseudo.reduce((size, field) => size + sizeOfField(field), 0);
const { POSITIVE_INFINITY: noLimit } = Number;

function decode(block: Buffer): unknown {
  return new HpackDecoder({ maxHeaderListSize: 2 ** 20 }).decode(block);
}

describe("RequestEncoder", () => {
  it("writes pseudo-headers first", () => {
    const block = newEncoder().encode(
      head([
        ["a", "1"],
        ["b", "2"],
      ]),
      noLimit,
    );
    expect(decode(block)).toMatchObject({ fields: [...pseudo, ["a", "1"], ["b", "2"]] });
  });

  it("names the scheme of the target", () => {
    const block = new RequestEncoder(parseTarget("https://orders.test")).encode(head(), noLimit);
    expect(decode(block)).toMatchObject({
      fields: expect.arrayContaining([
        [":scheme", "https"],
        [":authority", "orders.test"],
      ]),
    });
  });

  it("encodes a list that is handed in again only once", () => {
    const encoder = newEncoder();
    const headers = [["a", "1"]] as const;
    const block = encoder.encode(head(headers), noLimit);
    expect(encoder.encode(head(headers, { endStream: true }), noLimit)).toBe(block);
    expect(encoder.encode(head(headers, { furtherHeaders: [["b", "2"]] }), noLimit)).toBe(block);
    expect(encoder.encode(head([["a", "1"]]), noLimit)).not.toBe(block);
  });

  it("does not take a list that is handed in again with another path or method for the same", () => {
    const encoder = newEncoder();
    const headers = [["a", "1"]] as const;
    for (const [method, path] of [
      ["POST", "/s/m"],
      ["POST", "/s/n"],
      ["GET", "/s/n"],
      ["POST", "/s/m"],
    ] as const) {
      const block = encoder.encode(head(headers, { method, path }), noLimit);
      expect(decode(block)).toMatchObject({
        fields: expect.arrayContaining([
          [":method", method],
          [":path", path],
        ]),
      });
    }
  });

  it("keeps to the peer's limit, further headers included, also for a list that it knows", () => {
    const encoder = newEncoder();
    const headers = [["a", "1"]] as const;
    const size = pseudoSize + sizeOfField(headers[0]);
    expect(() => encoder.encode(head(headers), size)).not.toThrow();
    const text = `request headers of ${size} bytes are too large to send: at most ${size - 1}`;
    expect(() => encoder.encode(head(headers), size - 1)).toThrow(text);
    const furtherHeaders = [["b", "22"]] as const;
    expect(() => encoder.encode(head(headers, { furtherHeaders }), size + 35)).not.toThrow();
    expect(() => encoder.encode(head(headers, { furtherHeaders }), size + 34)).toThrow(/too large/);
  });

  it("takes 64 KiB for the limit of a peer that names none", () => {
    const rest = 64 * 1024 - pseudoSize - 33;
    expect(() => newEncoder().encode(head([["a", "x".repeat(rest)]]), noLimit)).not.toThrow();
    expect(() => newEncoder().encode(head([["a", "x".repeat(rest + 1)]]), noLimit)).toThrow(/at most 65536/);
  });

  it.each([
    ["a name in upper case", [["A", "1"]]],
    ["an empty name", [["", "1"]]],
    ["a pseudo-header", [[":path", "/"]]],
    ["a line break in a value", [["a", "1\r\nb: 2"]]],
    ["NUL in a value", [["a", "\0"]]],
    ["a value that is not latin1", [["a", "\u0100"]]],
    ["a header of HTTP/1.1", [["connection", "close"]]],
  ] as readonly (readonly [string, HeaderList])[])("refuses %s, wherever it stands", (_name, fields) => {
    expect(() => newEncoder().encode(head(fields), noLimit)).toThrow(/^malformed request headers: /);
    expect(() => newEncoder().encode(head([], { furtherHeaders: fields }), noLimit)).toThrow(TypeError);
  });

  it("refuses a path or method with a line break", () => {
    expect(() => newEncoder().encode(head([], { path: "/a\nb" }), noLimit)).toThrow(TypeError);
    expect(() => newEncoder().encode(head([], { method: "PO\0ST" }), noLimit)).toThrow(TypeError);
  });
});
