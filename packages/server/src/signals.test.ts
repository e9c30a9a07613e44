import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { connectRaw, until } from "../test-helpers/raw-client.ts";
import { createLifecycle } from "./server-lifecycle.ts";
import { onSignals } from "./signals.ts";

const program = fileURLToPath(new URL("../test-helpers/programs/signalled.ts", import.meta.url));

interface Running {
  readonly child: ChildProcess;
  readonly lines: string[];
  readonly exit: Promise<unknown[]>;
}

async function start(options: object, ...more: string[]): Promise<Running & { readonly port: number }> {
  const child = spawn(process.execPath, [program, JSON.stringify(options), ...more], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const exit = once(child, "exit");
  const lines: string[] = [];
  child.stdout?.setEncoding("utf8").on("data", (text: string) => lines.push(...text.split("\n").filter(Boolean)));
  await until("the port", () => lines.length > 0, 10_000);
  return { child, lines, exit, port: Number(lines.shift()) };
}

test.each(["SIGTERM", "SIGINT"] as const)("%s shuts down in order and exits with code 0", async (signal) => {
  const { child, lines, exit, port } = await start({ readinessDelayMs: 20 });
  const client = await connectRaw(port, false);
  onTestFinished(() => client.end());
  client.begin();
  child.kill(signal);
  expect(await exit).toEqual([0, null]);
  expect(lines).toEqual(["notReady", "draining", "hook", "closed"]);
  expect(client.of("GOAWAY").length).toBeGreaterThanOrEqual(2);
});

test("a second signal forces", async () => {
  const { child, lines, exit, port } = await start({ readinessDelayMs: 60_000, drainTimeoutMs: 60_000 });
  const client = await connectRaw(port, false);
  onTestFinished(() => client.end());
  client.begin();
  client.request("/stuck");
  await until("SETTINGS", () => client.of("SETTINGS").length > 1);
  child.kill("SIGTERM");
  await until("the first signal is handled", () => lines.includes("notReady"));
  child.kill("SIGINT");
  expect(await exit).toEqual([0, null]);
  expect(lines).toEqual(["notReady", "draining", "hook", "closed"]);
});

test("with exit: false the process ends by itself, when it has nothing more to do", async () => {
  const { child, lines, exit } = await start({ readinessDelayMs: 0, exit: false });
  child.kill("SIGTERM");
  expect(await exit).toEqual([0, null]);
  expect(lines.at(-1)).toBe("closed");
});

test("a failed hook ends the process with code 1", async () => {
  const { child, lines, exit } = await start({ readinessDelayMs: 0 }, "fail");
  child.kill("SIGTERM");
  expect(await exit).toEqual([1, null]);
  expect(lines.at(-1)).toBe("closed");
});

test("handlers can be removed, and remove themselves after the shutdown", async () => {
  const listeners = (): number => process.listenerCount("SIGUSR2");
  const before = listeners();
  const lifecycle = createLifecycle({ readinessDelayMs: 0, exit: false });
  const remove = lifecycle.shutdownOnSignals(["SIGUSR2"]);
  expect(listeners()).toBe(before + 1);
  remove();
  expect(listeners()).toBe(before);

  lifecycle.shutdownOnSignals(["SIGUSR2"]);
  process.emit("SIGUSR2");
  expect(lifecycle.phase).toBe("notReady");
  await lifecycle.shutdown();
  expect(lifecycle.phase).toBe("closed");
  await until("the handler is gone", () => listeners() === before);
});

test("only the second signal forces, also when the program had begun the shutdown", () => {
  const forces: unknown[] = [];
  const never = new Promise<void>(() => {});
  const shutdown = (options?: { force?: boolean }): Promise<void> => {
    forces.push(options?.force === true);
    return never;
  };
  const remove = onSignals(["SIGUSR2"], { shutdown }, false);
  onTestFinished(remove);
  process.emit("SIGUSR2");
  expect(forces).not.toContain(true);
  process.emit("SIGUSR2");
  expect(forces.at(-1)).toBe(true);
});
