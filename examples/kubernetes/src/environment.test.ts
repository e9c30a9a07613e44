import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { clientSettings, type Environment, serverSettings } from "./environment.ts";

const folder = join(import.meta.dirname, "..");
const read = (file: string): string => readFileSync(join(folder, file), "utf8");
const programs = { server: serverSettings, client: clientSettings } as const;

/** The variables that a program asks for. */
function variables(settings: (env: Environment) => unknown): readonly string[] {
  const asked = new Set<string>();
  settings(new Proxy({}, { get: (_, name) => void asked.add(String(name)) }));
  return [...asked].sort();
}

describe("the variables of the programs", () => {
  it.each(["server", "client"] as const)("are in the README with their defaults, and no other: %s", (program) => {
    const rows = [...read("README.md").matchAll(/^\| `([A-Z_]+)` \| (.+?) \| (server|client|both) \|/gm)];
    const own = rows.filter(([, , , of]) => of === program || of === "both");
    expect(own.map(([, name]) => name).sort()).toEqual(variables(programs[program]));
    const defaults = own.flatMap(([, name = "", text = ""]) => {
      const value = /^(?:\d+|`.+`)$/.exec(text)?.[0].replaceAll("`", "");
      return value === undefined ? [] : [[name, value] as const];
    });
    expect(defaults.length).toBeGreaterThan(3);
    expect(programs[program](Object.fromEntries(defaults))).toEqual(programs[program]({}));
  });

  it("are all that the manifests set", () => {
    const files = readdirSync(join(folder, "deploy"), { recursive: true, encoding: "utf8" });
    const texts = files.filter((file) => file.endsWith(".yaml")).map((file) => read(join("deploy", file)));
    const set = texts.flatMap((text) => [...text.matchAll(/- name: ([A-Z_]{3,})\b/g)].map(([, name = ""]) => name));
    expect(set).toContain("DRAIN_TIMEOUT_MS");
    const known = [...variables(serverSettings), ...variables(clientSettings)];
    expect(set.filter((name) => !known.includes(name))).toEqual([]);
  });
});
