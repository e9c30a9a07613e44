import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it, onTestFinished } from "vitest";
import { startDemoServer } from "../../../packages/connect/test-helpers/demo-server.ts";
import { startWorld } from "../../../packages/kubernetes/test-helpers/resolving.ts";
import { slice } from "../../../packages/kubernetes/test-helpers/slices.ts";

const run = promisify(execFile);
const script = fileURLToPath(new URL("../fixtures/kubernetes-without-close.ts", import.meta.url));
const backlog = fileURLToPath(new URL("../fixtures/full-backlog.ts", import.meta.url));

/** Runs the script against the API server at `url`: what its RPC said, and how long it lived after that (milliseconds). */
async function lifeAfterRpc(url: string): Promise<{ said: string | undefined; ms: number }> {
  const { stdout, stderr } = await run(process.execPath, [script, url], { timeout: 60_000 });
  const exitedAt = Date.now();
  expect(stderr).toBe("");
  const lines = stdout.trim().split("\n");
  return { said: lines[0], ms: exitedAt - Number(lines.at(-1)?.replace("last RPC at ", "")) };
}

describe("a script that never closes its transport to a Service exits", () => {
  it("within a second of its last RPC", async () => {
    const server = await startDemoServer("pod-1");
    onTestFinished(() => server[Symbol.asyncDispose]());
    const [host = "", port] = server.address.split(":");
    const endpoints = [{ addresses: [host] }];
    const world = { slices: [slice("orders-1", { endpoints, ports: [{ name: "http", port: Number(port) }] })] };
    const api = await startWorld({ ...world, ports: [{ name: "http", port: 80 }] });
    const { said, ms } = await lifeAfterRpc(api.http.url);
    expect(said).toBe("pod-1");
    expect(ms).toBeLessThan(1_000);
    expect(api.log).toContain("watch shop/orders");
  });

  it("within a second where the API server accepts and never answers", async () => {
    const sockets = new Set<Socket>();
    const silent = createServer((socket) => sockets.add(socket.on("error", () => {}))).listen(0, "127.0.0.1");
    onTestFinished(async () => {
      for (const socket of sockets) socket.destroy();
      silent.close();
      await once(silent, "close");
    });
    await once(silent, "listening");
    const { port } = silent.address() as { port: number };
    for (const scheme of ["http", "https"]) {
      const { said, ms } = await lifeAfterRpc(`${scheme}://127.0.0.1:${port}`);
      expect(said).toContain("[deadline_exceeded]");
      expect(ms).toBeLessThan(1_000);
    }
    expect(sockets.size).toBe(2);
  });

  it("within seconds where what is sent to the API server is swallowed: node waits for sockets that connect", async () => {
    const port = await startSwallowing();
    for (const scheme of ["http", "https"]) {
      const { said, ms } = await lifeAfterRpc(`${scheme}://127.0.0.1:${port}`);
      expect(said).toContain("[deadline_exceeded]");
      expect(ms).toBeLessThan(5_000);
    }
  });
});

/** A port whose queue of connections is full, until the test ends. */
async function startSwallowing(): Promise<number> {
  const child = spawn(process.execPath, [backlog], { stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await once(child, "close");
  });
  const [text] = (await once(child.stdout, "data")) as [Buffer];
  const port = Number(text.toString());
  const fillers = Array.from({ length: 4 }, () => connect(port, "127.0.0.1").on("error", () => {}));
  onTestFinished(() => {
    for (const filler of fillers) filler.destroy();
  });
  await once(fillers[1]!, "connect");
  return port;
}
