import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { Socket } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { ask, dial } from "../../test-helpers/tcp-client.ts";
import { type Cluster, startCluster } from "../cluster/cluster.ts";
import type { ClusterOptions, LaggingNetwork } from "../cluster/options.ts";
import { canLag } from "./machine.ts";
import { run } from "./run.ts";

vi.setConfig({ testTimeout: 30_000 });
const poll = { timeout: 10_000 };

const support = await canLag();
const forever = 2 ** 31 - 1;
/** What has not come by then does not come: answers take a hundredth of it. */
const silenceMs = 250;
const module = new URL("../../fixtures/pod.mjs", import.meta.url);

async function start(network: Partial<LaggingNetwork> = {}, options: Partial<ClusterOptions> = {}): Promise<Cluster> {
  const cluster = await startCluster({
    pod: { module },
    size: 2,
    name: "orders",
    network: { kind: "lagging", ...network },
    ...options,
  });
  onTestFinished(() => cluster.close());
  return cluster;
}

/** What comes first of a socket: `connected`, `FIN`, or the code of an error. */
function first(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    socket.once("connect", () => resolve("connected"));
    socket.once("end", () => resolve("FIN"));
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
}

/** The same, or `nothing`. */
async function orNothing(what: Promise<unknown>): Promise<unknown> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const timer = setTimeout(() => resolve("nothing"), silenceMs);
  return Promise.race([what, promise]).finally(() => clearTimeout(timer));
}

const isGone = (device: string) => networkInterfaces()[device] === undefined;

/** Names of devices that lead to a cluster's pods. */
const devices = (cluster: Cluster): string[] => {
  const [a, b, c] = cluster.pods[0]!.address.host.split(".");
  return Object.keys(networkInterfaces()).filter((name) => name === `ek-${a}.${b}.${Number(c) & ~7}`);
};

const namespaces = async (): Promise<string[]> =>
  (await run("ip", ["netns", "list"])).match(new RegExp(`evenkeel-${process.pid}-\\w+`, "g")) ?? [];

const cannot = support.ok ? "" : ` (skipped: ${support.reason})`;

describe.skipIf(!support.ok)(`a network that lags${cannot}`, () => {
  test("pods have addresses of their own, which only the machine reaches", async () => {
    const cluster = await start();
    const hosts = cluster.pods.map((pod) => pod.address.host);
    expect(hosts[0]).toMatch(/^198\.1[89]\.\d+\.1$/);
    expect(hosts[1]).toBe(hosts[0]!.replace(/1$/, "2"));
    expect(cluster.url).toBe("http://orders.default.svc.cluster.local:8080");
    for (const pod of cluster.pods) {
      expect(await ask(dial(pod.address), "x")).toBe(`${pod.name} x`);
      expect(JSON.parse(pod.output)).toMatchObject({ POD_IP: pod.address.host, PORT: "8080" });
    }
    expect(devices(cluster)).toHaveLength(1);
  });

  test("first a killed pod's address resets", async () => {
    const cluster = await start({ resetMs: forever });
    const [killed, other] = cluster.pods;
    const connections = [dial(killed!.address), dial(killed!.address)];
    for (const connection of connections) await ask(connection, "x");
    const kept = dial(other!.address);
    await ask(kept, "x");
    // one that says something, and one that only listens
    const ends = connections.map(first);
    await cluster.kill(killed!);
    connections[0]!.write("y");
    expect(await Promise.all(ends)).toEqual(["ECONNRESET", "ECONNRESET"]);
    expect(killed!.exit).toEqual({ kind: "signal", signal: "SIGKILL" });
    expect(await first(dial(killed!.address))).toBe("ECONNREFUSED");
    expect(await ask(kept, "y")).toBe("orders-2 y");
    expect(await first(dial(other!.address))).toBe("connected");
  });

  test("then it refuses, and what is open hears nothing", async () => {
    const cluster = await start({ resetMs: 0, refuseMs: forever });
    const [killed, other] = cluster.pods;
    const connections = [dial(killed!.address), dial(killed!.address)];
    for (const connection of connections) await ask(connection, "x");
    const ends = connections.map(first);
    await cluster.kill(killed!);
    connections[0]!.write("y");
    await expect.poll(() => orNothing(first(dial(killed!.address))), poll).toBe("ECONNREFUSED");
    expect(await orNothing(Promise.race(ends))).toBe("nothing");
    expect(await ask(dial(other!.address), "y")).toBe("orders-2 y");
  });

  test("at last it swallows", async () => {
    const cluster = await start({ resetMs: 0, refuseMs: 0 });
    const [killed, other] = cluster.pods;
    const connection = dial(killed!.address);
    await ask(connection, "x");
    // what it has not read makes the kernel end a connection with a reset
    cluster.freeze(killed!);
    const end = first(connection);
    connection.write("y");
    await once(dial(killed!.address), "connect");
    await cluster.kill(killed!);
    expect(await orNothing(first(dial(killed!.address)))).toBe("nothing");
    expect(await orNothing(end)).toBe("nothing");
    expect(await ask(dial(other!.address), "y")).toBe("orders-2 y");
  });

  test("goes through the stages in time", async () => {
    const cluster = await start({ resetMs: 100, refuseMs: 1_000 });
    const [killed] = cluster.pods;
    const connection = dial(killed!.address);
    await ask(connection, "x");
    const end = first(connection);
    await cluster.kill(killed!);
    expect(await end).toBe("ECONNRESET");
    expect(await first(dial(killed!.address))).toBe("ECONNREFUSED");
    await expect.poll(() => orNothing(first(dial(killed!.address))), poll).toBe("nothing");
  });

  test("a pod that was told to end ends its connections itself, refuses, and then swallows", async () => {
    const cluster = await start({ refuseMs: 1_000 });
    const [stopped] = cluster.pods;
    const connection = dial(stopped!.address);
    await ask(connection, "x");
    const done = cluster.stop(stopped!);
    expect(await ask(connection, "last words")).toBe("orders-1 last words");
    connection.end();
    expect(await first(connection)).toBe("FIN");
    await done;
    expect(await first(dial(stopped!.address))).toBe("ECONNREFUSED");
    await expect.poll(() => orNothing(first(dial(stopped!.address))), poll).toBe("nothing");
  });

  test("a pod that dies by itself is heard", async () => {
    const cluster = await start({ refuseMs: forever });
    const connection = dial(cluster.pods[0]!.address);
    await ask(connection, "x");
    const end = first(connection);
    process.kill(cluster.pods[0]!.pid!, "SIGKILL");
    expect(await end).toBe("FIN");
  });

  test("a pod that outstays its grace period is killed", async () => {
    const options = { pod: { module, args: ["stubborn"] }, terminationGraceMs: 50 };
    const cluster = await start({ resetMs: forever }, options);
    const [stubborn] = cluster.pods;
    const connection = dial(stubborn!.address);
    await ask(connection, "x");
    const end = first(connection);
    await cluster.stop(stubborn!);
    expect(await end).toBe("ECONNRESET");
  });

  test("freezes and thaws, and kills what is frozen", async () => {
    const cluster = await start({ resetMs: forever }, { size: 1 });
    const [pod] = cluster.pods;
    const connection = dial(pod!.address);
    await ask(connection, "before");
    cluster.freeze(pod!);
    const answer = ask(connection, "question");
    expect(await first(dial(pod!.address))).toBe("connected");
    expect(await orNothing(answer)).toBe("nothing");
    cluster.thaw(pod!);
    expect(await answer).toBe("orders-1 question");
    cluster.freeze(pod!);
    const end = first(connection);
    await cluster.kill(pod!);
    expect(await end).toBe("ECONNRESET");
  });

  test("many at once, and no address twice", async () => {
    const cluster = await start({ resetMs: 20, refuseMs: 20 }, { size: 4 });
    const old = cluster.pods.map((pod) => pod.address);
    await Promise.all(cluster.pods.map((pod) => cluster.kill(pod)));
    await cluster.scale(2);
    for (const { address } of cluster.pods) expect(old).not.toContainEqual(address);
    for (const address of old) await expect.poll(() => orNothing(first(dial(address))), poll).toBe("nothing");
    expect(await ask(dial(cluster.pods[1]!.address), "x")).toBe("orders-6 x");
  });

  test("DNS and virtual IP work, on loopback", async () => {
    const cluster = await start({}, { port: 9_000 });
    const dns = await cluster.startDns();
    expect(dns.address).toMatch(/^127\.0\.0\.1:/);
    expect(cluster.port).toBe(9_000);
    expect(await ask(dial(await cluster.startVirtualIp()), "x")).toMatch(/^orders-\d x$/);
  });

  test("clusters that run at once do not meet, and leave nothing", async () => {
    const before = await namespaces();
    const clusters = await Promise.all([start(), start()]);
    expect(await namespaces()).toHaveLength(before.length + 2);
    const own = clusters.flatMap(devices);
    expect(new Set(own).size).toBe(2);
    const open = dial(clusters[0].pods[0]!.address);
    await ask(open, "x");
    void clusters[0].kill(clusters[0].pods[0]!).catch(() => {});
    await clusters[0].close();
    expect(await ask(dial(clusters[1].pods[0]!.address), "x")).toBe("orders-1 x");
    expect(own.map(isGone)).toEqual([true, false]);
    await clusters[1].close();
    expect(own.map(isGone)).toEqual([true, true]);
    expect(await namespaces()).toEqual(before);
  });

  test("leaves nothing when a pod does not start", async () => {
    const before = await namespaces();
    await expect(start({}, { pod: { module, args: ["fail"] }, size: 1 })).rejects.toThrow(/exited with code 3/);
    await expect(start({}, { pod: { command: ["/nowhere/pod"] }, size: 1 })).rejects.toThrow(/\/nowhere\/pod/);
    expect(await namespaces()).toEqual(before);
  });

  test("goes when its process is killed", async () => {
    const fixture = new URL("../../fixtures/parent.ts", import.meta.url).pathname;
    const parent = spawn(process.execPath, [fixture, "lagging"], { stdio: ["ignore", "pipe", "inherit"] });
    const closed = once(parent, "close");
    await once(createInterface(parent.stdout), "line");
    const left = async (): Promise<boolean> =>
      (await run("ip", ["netns", "list"])).includes(`evenkeel-${parent.pid}-`) ||
      (await run("ip", ["-o", "link", "show", "type", "veth"])).includes(`netns evenkeel-${parent.pid}-`);
    expect(await left()).toBe(true);
    // as a pod that was started in the very moment, which the watchdog was not told of
    const [name = ""] = new RegExp(`evenkeel-${parent.pid}-\\w+`).exec(await run("ip", ["netns", "list"])) ?? [];
    const untold = spawn("ip", ["netns", "exec", name, "sh", "-c", "echo; exec sleep 9"]);
    const ended = once(untold, "exit");
    await once(untold.stdout, "data");
    parent.kill("SIGKILL");
    await closed;
    await expect.poll(left, poll).toBe(false);
    expect(await ended).toEqual([null, "SIGKILL"]);
  });

  test("close rejects when the rules could not be set, and leaves nothing", async () => {
    const folder = await mkdtemp(join(tmpdir(), "evenkeel-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    await writeFile(join(folder, "iptables-restore"), "#!/bin/sh\necho no rules today >&2; exit 1\n", { mode: 0o755 });
    vi.stubEnv("PATH", `${folder}:${process.env["PATH"]}`);
    onTestFinished(() => void vi.unstubAllEnvs());
    const before = await namespaces();
    const cluster = await startCluster({ pod: { module }, size: 1, network: { kind: "lagging" } });
    await cluster.kill(cluster.pods[0]!);
    await expect(cluster.close()).rejects.toThrow(/^the network did not lag .*iptables-restore.*: no rules today$/);
    expect(await namespaces()).toEqual(before);
  });
});

test.runIf(!support.ok)("startCluster says what a network that lags takes", async () => {
  await expect(start()).rejects.toThrow(/^network: this machine cannot have one that lags, as canLag\(\) tells: ./);
});
