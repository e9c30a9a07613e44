import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const folder = join(import.meta.dirname, "..");
const read = (file: string): string => readFileSync(join(folder, file), "utf8");
const readme = read("README.md");

/** The environment variables in a program, with their defaults where these are numbers. */
function variables(file: string): ReadonlyMap<string, string | undefined> {
  const found = read(file).matchAll(/(?:"|env\[")([A-Z][A-Z_]+)"(?:\]|, ([\d_]+))?/g);
  return new Map([...found].map(([, name = "", fallback]) => [name, fallback?.replaceAll("_", "")]));
}

describe("the README", () => {
  it("has every variable that the programs read, with its default, and no other", () => {
    const rows = [...readme.matchAll(/^\| `([A-Z_]+)` \| (.+?) \| (server|client|both) \|/gm)];
    for (const program of ["server", "client"]) {
      const own = rows.filter(([, , , of]) => of === program || of === "both");
      const read = variables(`src/${program}.ts`);
      expect(own.map(([, name]) => name).sort()).toEqual([...read.keys()].sort());
      for (const [, name = "", fallback] of own) {
        const expected = read.get(name);
        if (expected !== undefined) expect(`${name} ${fallback}`).toBe(`${name} ${expected}`);
      }
    }
  });

  it("links to what is there", () => {
    const links = [...readme.matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, path = ""]) => path);
    expect(links.length).toBeGreaterThan(5);
    expect(links.filter((path) => !existsSync(join(folder, path)))).toEqual([]);
  });
});
