import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { openShop } from "./shop.ts";

const run = promisify(execFile);
const script = fileURLToPath(new URL("../fixtures/watch-without-close.ts", import.meta.url));

it.each([
  { name: "whose watch is open", outage: undefined, pods: ["pod-1"] },
  { name: "whose API server swallows everything", outage: "blackhole", pods: [] },
  { name: "whose API server is away", outage: "crash", pods: [] },
] as const)("a script $name exits within a second of its last RPC, without close()", async ({ outage, pods }) => {
  const { cluster, api, failures } = await openShop(1);
  await failures();
  const { directory, host, port } = api.serviceAccount;
  if (outage !== undefined) await api.stop(outage);
  const { stdout, stderr } = await run(process.execPath, [script, cluster.url, directory, host, String(port)], {
    timeout: 20_000,
  });
  const exitedAt = Date.now();
  const lines = stdout.trim().split("\n");
  expect(stderr).toBe("");
  expect(lines.slice(0, -1)).toEqual(pods);
  expect(exitedAt - Number(lines.at(-1))).toBeLessThan(1_000);
});
