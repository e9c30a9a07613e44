import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { findPrograms, type MachineFacts, tryOut } from "./machine.ts";

describe("findPrograms", () => {
  let folder = "";
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "evenkeel-"));
    return () => rm(folder, { recursive: true });
  });
  const facts = (own: Partial<MachineFacts>): MachineFacts => ({ platform: "linux", user: 0, path: [folder], ...own });
  const install = (program: string, mode: number) => writeFile(join(folder, program), "#!/bin/sh\nexit 7\n", { mode });

  test("says what is missing, and what to do", async () => {
    await expect(findPrograms(facts({ platform: "darwin" }))).rejects.toThrow(
      "it takes network namespaces, which Linux has and darwin has not",
    );
    await expect(findPrograms(facts({ user: 1000 }))).rejects.toThrow(
      "it takes root, and this process runs as user 1000: run it with sudo",
    );
    await expect(findPrograms(facts({}))).rejects.toThrow(
      "it takes the program ip: install it (Debian: apt-get install iproute2)",
    );
    await install("ip", 0o755);
    await install("ss", 0o755);
    await install("iptables-restore", 0o644);
    await expect(findPrograms(facts({}))).rejects.toThrow(
      "it takes the program iptables-restore: install it (Debian: apt-get install iptables)",
    );
  });

  test("finds them in the folders of the path", async () => {
    await Promise.all(["ip", "ss"].map((program) => install(program, 0o755)));
    await rm(join(folder, "iptables-restore"), { force: true });
    await install("iptables-restore", 0o755);
    expect(await findPrograms(facts({ path: ["/nowhere", folder] }))).toEqual({
      ip: join(folder, "ip"),
      ss: join(folder, "ss"),
      iptablesRestore: join(folder, "iptables-restore"),
    });
  });

  test("tryOut tells what went wrong when a machine has all and it does not work", async () => {
    await Promise.all(["ip", "ss"].map((program) => install(program, 0o755)));
    await rm(join(folder, "iptables-restore"), { force: true });
    await install("iptables-restore", 0o755);
    expect(await tryOut(facts({}))).toEqual({ ok: false, reason: expect.stringMatching(/ip netns add evenkeel-.*: /) });
    await writeFile(join(folder, "ip"), "#!/bin/sh\necho 'mount failed: Operation not permitted' >&2; exit 1\n");
    expect(await tryOut(facts({}))).toEqual({
      ok: false,
      reason: expect.stringMatching(/: mount failed: Operation not permitted; in a container it takes --privileged$/),
    });
    expect(await tryOut(facts({ user: 1000 }))).toMatchObject({
      ok: false,
      reason: expect.stringMatching(/takes root/),
    });
  });
});
