import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it, onTestFinished } from "vitest";
import { startDemoServer } from "../../packages/connect/test-helpers/demo-server.ts";

const run = promisify(execFile);
const script = fileURLToPath(new URL("./fixtures/rpc-without-close.ts", import.meta.url));

it("a script that never closes its transports exits within a second of its last RPC", async () => {
  const server = await startDemoServer("pod-1");
  onTestFinished(() => server[Symbol.asyncDispose]());
  const { stdout, stderr } = await run(process.execPath, [script, `http://${server.address}`], { timeout: 20_000 });
  const exitedAt = Date.now();
  const lines = stdout.trim().split("\n");
  expect(stderr).toBe("");
  expect(lines.slice(0, 3)).toEqual(["pod-1", "pod-1", "pod-1"]);
  const lastRpcAt = Number(lines.at(-1)?.replace("last RPC at ", ""));
  expect(exitedAt - lastRpcAt).toBeLessThan(1_000);
});
