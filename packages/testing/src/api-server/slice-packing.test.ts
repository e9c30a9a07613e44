import { randomInt } from "@evenkeel/core";
import { describe, expect, test } from "vitest";
import { seededRandom } from "../seeded-random.ts";
import { type DesiredEndpoint, type PackedSlice, packSlices } from "./slice-packing.ts";

const endpoint = (key: string, port = 80, ready = true): DesiredEndpoint => ({
  key,
  port,
  endpoint: { addresses: [key], conditions: { ready } },
});

const endpoints = (keys: string, port?: number): DesiredEndpoint[] => [...keys].map((key) => endpoint(key, port));

/** Slices as the API server has them after what is to be written is written. */
class Slices {
  slices: PackedSlice[] = [];
  readonly #max: number;
  #created = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** What is written, as `name:endpoints`, or `-name`. */
  update(desired: readonly DesiredEndpoint[]): string {
    const changes = packSlices(this.slices, desired, this.#max);
    const written: string[] = [];
    for (const slice of changes.set) {
      const named = { ...slice, name: slice.name ?? `s${++this.#created}` };
      const index = this.slices.findIndex(({ name }) => name === named.name);
      if (index === -1) this.slices.push(named);
      else this.slices[index] = named;
      written.push(`${named.name}:${named.endpoints.map(({ key }) => key).join("")}`);
    }
    for (const name of changes.delete) {
      this.slices = this.slices.filter((slice) => slice.name !== name);
      written.push(`-${name}`);
    }
    return written.join(" ");
  }
}

describe("packSlices", () => {
  test("fills slices, and leaves what is the same alone", () => {
    const slices = new Slices(3);
    expect(slices.update(endpoints("abcde"))).toBe("s1:abc s2:de");
    expect(slices.update(endpoints("abcde"))).toBe("");
    expect(slices.update(endpoints("abcdef"))).toBe("s2:def");
    expect(slices.update(endpoints("abcdefg"))).toBe("s3:g");
  });

  test("changes the one slice in which an endpoint changes or leaves", () => {
    const slices = new Slices(3);
    slices.update(endpoints("abcdef"));
    expect(slices.update([...endpoints("abcde"), endpoint("f", 80, false)])).toBe("s2:def");
    expect(slices.update(endpoints("bcdef"))).toMatch(/^s1:bc s2:def$/);
  });

  test("puts new endpoints into slices that change anyway, then into one with room for all, never moves others", () => {
    const slices = new Slices(4);
    slices.update(endpoints("abcdefgh"));
    expect(slices.update(endpoints("abcdfghx"))).toBe("s2:fghx");
    slices.update(endpoints("abcfgh"));
    expect(slices.slices.map((slice) => slice.endpoints.length)).toEqual([3, 3]);
    expect(slices.update(endpoints("abcfghyz"))).toBe("s3:yz"); // none has room for both
    expect(slices.update(endpoints("abcfghyzw"))).toBe("s1:abcw"); // the fullest one that has room
  });

  test("deletes slices that are empty, but lets one stand for none", () => {
    const slices = new Slices(2);
    expect(slices.update([])).toBe("s1:");
    expect(slices.update([])).toBe("");
    expect(slices.update(endpoints("abc"))).toBe("s1:ab s2:c");
    expect(slices.update(endpoints("ab"))).toBe("-s2");
    slices.update(endpoints("abc"));
    expect(slices.update([])).toMatch(/^s\d: -s\d$/);
    expect(slices.slices).toMatchObject([{ port: undefined, endpoints: [] }]);
  });

  test("has slices for each port, and gives one that is empty to another port", () => {
    const slices = new Slices(10);
    expect(slices.update([...endpoints("ab", 1), ...endpoints("c", 2)])).toBe("s1:ab s2:c");
    expect(slices.update([...endpoints("ab", 1), ...endpoints("d", 3)])).toBe("s2:d");
    expect(slices.slices.map(({ port }) => port)).toEqual([1, 3]);
  });

  test("holds every endpoint once and no slice too many, whatever happens", () => {
    const random = seededRandom(5);
    const slices = new Slices(5);
    for (let round = 0; round < 500; round++) {
      const keys = Array.from({ length: 30 }, (_, index) => `k${index}`).filter(() => random() < 0.5);
      const desired = keys.map((key) => endpoint(key, 1 + (Number(key.slice(1)) % 2), random() < 0.9));
      const before = new Map(
        slices.slices.flatMap(({ name, endpoints }) => endpoints.map(({ key }) => [key, name] as const)),
      );
      slices.update(randomInt(random, 20) === 0 ? [] : desired);
      const held = slices.slices.flatMap((slice) => slice.endpoints);
      if (held.length > 0) expect(held.map(({ key }) => key).sort()).toEqual([...keys].sort());
      expect(held.every((each) => held.length === 0 || desired.includes(each) || isEqualIn(desired, each))).toBe(true);
      for (const { name, port, endpoints } of slices.slices) {
        expect(endpoints.length).toBeLessThanOrEqual(5);
        expect(endpoints.every((each) => each.port === port)).toBe(true);
        for (const { key } of endpoints) expect(before.get(key) ?? name).toBe(name);
        if (slices.slices.length > 1) expect(endpoints).not.toHaveLength(0);
      }
    }
  });
});

function isEqualIn(desired: readonly DesiredEndpoint[], one: DesiredEndpoint): boolean {
  return desired.some((each) => JSON.stringify(each) === JSON.stringify(one));
}
