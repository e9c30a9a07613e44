import { spawn } from "node:child_process";
import { promises as dns } from "node:dns";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type Endpoint, parseTarget, systemClock, systemRandom } from "@evenkeel/core";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { ask, dial } from "../../test-helpers/tcp-client.ts";
import { seededRandom } from "../seeded-random.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import type { ClusterOptions } from "./options.ts";
import type { ClusterEvent, Pod } from "./pod.ts";

// processes start slowly on a busy machine
vi.setConfig({ testTimeout: 30_000 });
const poll = { timeout: 10_000 };

const module = new URL("../../fixtures/pod.mjs", import.meta.url);

async function start(options: Partial<ClusterOptions> = {}): Promise<Cluster> {
  const cluster = await startCluster({ pod: { module }, size: 2, name: "orders", ...options });
  onTestFinished(() => cluster.close());
  return cluster;
}

const pod = (cluster: Cluster, index: number): Pod => cluster.pods[index]!;
const names = (cluster: Cluster): string[] => cluster.pods.map((each) => each.name);
const keys = (cluster: Cluster): string[] => cluster.endpoints().map((each) => each.key);

/** `orders-1:RS` for a ready and serving pod, `orders-1:ST` for one that terminates and serves. */
const describeSet = (endpoints: readonly Endpoint[]): string =>
  endpoints
    .map(({ key, ready, serving, terminating }) => {
      return `${key}:${ready ? "R" : ""}${serving ? "S" : ""}${terminating ? "T" : ""}`;
    })
    .join(" ");

/** Every set that a resolver is told. */
function observe(cluster: Cluster): { sets: string[]; close(): void } {
  const sets: string[] = [];
  const resolver = cluster.resolver()(
    parseTarget(cluster.url),
    (update) => sets.push(update.kind === "endpoints" ? describeSet(update.endpoints) : update.kind),
    { clock: systemClock, random: systemRandom },
  );
  return { sets, close: () => resolver.close() };
}

function record(cluster: Cluster): { log: string[]; events: ClusterEvent[] } {
  const events: ClusterEvent[] = [];
  const log: string[] = [];
  cluster.on((event) => {
    events.push(event);
    log.push(`${event.kind} ${event.pod.name}`);
  });
  return { log, events };
}

/** Whether a process runs; one that has ended, and that nobody has asked about yet, does not. */
async function runs(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0);
    const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
    return !/\) [ZX] /.test(stat);
  } catch {
    return false;
  }
}

describe("startCluster", () => {
  test("runs pods that listen where their environment says", async () => {
    const cluster = await start({
      zones: ["a", "b"],
      pod: { module, args: ["echo", "$(POD_NAME)@$(POD_IP):$(PORT)", "$(HOME)"], env: { EXTRA: "1", PORT: "2" } },
    });
    expect(names(cluster)).toEqual(["orders-1", "orders-2"]);
    for (const each of cluster.pods) {
      const { host, port } = each.address;
      expect(each.phase).toBe("ready");
      expect(each.readyAt! > each.startedAt).toBe(true);
      expect(await ask(dial(each.address), "hello")).toBe(`${each.name} hello`);
      expect(JSON.parse(each.output)).toEqual({
        POD_NAME: each.name,
        POD_IP: host,
        PORT: String(port),
        POD_ZONE: each.zone,
        EXTRA: "1",
        rest: [`${each.name}@${host}:${port}`, "$(HOME)"],
        execArgv: [],
      });
    }
    expect(cluster.url).toBe(`http://orders.default.svc.cluster.local:${cluster.port}`);
    expect(cluster.endpoints()).toMatchObject([
      { key: "orders-1", podName: "orders-1", addresses: [pod(cluster, 0).address], ready: true, zone: "a" },
      { key: "orders-2", podName: "orders-2", addresses: [pod(cluster, 1).address], ready: true, zone: "b" },
    ]);
  });

  test.runIf(process.platform === "linux")("gives each pod an address, and all the same port", async () => {
    const cluster = await start();
    expect(new Set(cluster.pods.map((each) => each.address.host)).size).toBe(2);
    expect(cluster.pods.map((each) => each.address.port)).toEqual([cluster.port, cluster.port]);
  });

  test("gives each pod a port where addresses are shared", async () => {
    const cluster = await start({ podAddresses: "shared" });
    expect(cluster.pods.map((each) => each.address.host)).toEqual(["127.0.0.1", "127.0.0.1"]);
    expect(await ask(dial(pod(cluster, 1).address), "x")).toBe("orders-2 x");
  });

  test("runs other programs", async () => {
    const command = [process.execPath, module.pathname, "echo", "$(PORT)"] as const;
    const cluster = await start({ size: 1, pod: { command } });
    await expect.poll(() => pod(cluster, 0).output, poll).toContain(`"rest":["${cluster.port}"]`);
  });

  test("clusters that run at once do not meet", async () => {
    const clusters = await Promise.all([start(), start(), start({ podAddresses: "shared" })]);
    const addresses = clusters.flatMap((cluster) =>
      cluster.pods.map(({ address }) => `${address.host}:${address.port}`),
    );
    expect(new Set(addresses).size).toBe(6);
    await clusters[0].close();
    expect(await ask(dial(pod(clusters[1], 0).address), "x")).toBe("orders-1 x");
  });

  test("rejects with the end of a pod that exits early, and what it wrote", async () => {
    await expect(start({ size: 1, pod: { module, args: ["fail"] } })).rejects.toThrow(
      /^pod orders-1 exited with code 3 before it was ready; it wrote:\n.*no database$/s,
    );
  });

  test("rejects when a pod does not listen in time", async () => {
    const command = ["sh", "-c", "echo still thinking >&2; exec sleep 600"] as const;
    await expect(start({ size: 1, pod: { command }, startupTimeoutMs: 300 })).rejects.toThrow(
      /^pod orders-1 did not accept connections at [\d.:]+ within 300 ms; it wrote:\nstill thinking$/,
    );
  });

  test("rejects when a program cannot be run", async () => {
    await expect(start({ pod: { command: ["/nowhere/pod"] } })).rejects.toThrow(
      "pod orders-1 could not be started: spawn /nowhere/pod ENOENT; it wrote nothing",
    );
  });

  test("rejects options that are wrong, by name", async () => {
    await expect(start({ size: -1 })).rejects.toThrow(RangeError);
    await expect(start({ podAddresses: "shared", port: 8080 })).rejects.toThrow(/^port: /);
  });
});

describe("Cluster", () => {
  test("scales up and down, the newest first", async () => {
    const cluster = await start();
    const { log, events } = record(cluster);
    await cluster.scale(4);
    expect(names(cluster)).toEqual(["orders-1", "orders-2", "orders-3", "orders-4"]);
    expect(describeSet(cluster.endpoints())).toBe("orders-1:RS orders-2:RS orders-3:RS orders-4:RS");
    expect([...log].sort()).toEqual(["ready orders-3", "ready orders-4", "started orders-3", "started orders-4"]);
    log.length = 0;
    await cluster.scale(1);
    expect(names(cluster)).toEqual(["orders-1"]);
    expect(keys(cluster)).toEqual(["orders-1"]);
    expect(log.filter((line) => line.startsWith("terminating"))).toEqual([
      "terminating orders-2",
      "terminating orders-3",
      "terminating orders-4",
    ]);
    expect(events.at(-1)).toMatchObject({ kind: "exited", exit: { kind: "code", code: 0 } });
    expect(events.at(-1)!.at).toBeLessThanOrEqual(performance.now());
    await cluster.scale(2);
    expect(names(cluster)).toEqual(["orders-1", "orders-5"]);
    await expect(cluster.scale(1.5)).rejects.toThrow(RangeError);
  });

  test("publishes a pod that starts as not ready", async () => {
    const directory = await mkdtemp(join(tmpdir(), "evenkeel-"));
    onTestFinished(() => rm(directory, { recursive: true }));
    const go = join(directory, "go");
    const cluster = await start({ size: 0, pod: { module, args: ["slow", go] } });
    const { sets } = observe(cluster);
    const scaled = cluster.scale(1);
    expect(sets).toEqual(["", "orders-1:"]);
    expect(pod(cluster, 0).phase).toBe("starting");
    expect(() => cluster.freeze(pod(cluster, 0))).toThrow("pod orders-1 is starting: only a ready pod can be frozen");
    await writeFile(go, "");
    await scaled;
    expect(sets).toEqual(["", "orders-1:", "orders-1:RS"]);
  });

  test("a pod that is scaled away before it is ready fails the scaling that started it", async () => {
    const cluster = await start({ size: 0, pod: { module, args: ["mute"] } });
    const failed = expect(cluster.scale(1)).rejects.toThrow(/^pod orders-1 was stopped before it was ready/);
    await cluster.scale(0);
    await failed;
    expect(cluster.pods).toEqual([]);
  });

  test("stops a pod: it terminates and serves until it exits, then leaves", async () => {
    const cluster = await start();
    const { log } = record(cluster);
    const observer = observe(cluster);
    const leaving = pod(cluster, 0);
    const connection = dial(leaving.address);
    expect(await ask(connection, "before")).toBe("orders-1 before");
    const stopped = cluster.stop(leaving);
    expect(leaving.phase).toBe("terminating");
    expect(describeSet(cluster.endpoints())).toBe("orders-1:ST orders-2:RS");
    expect(await ask(connection, "during")).toBe("orders-1 during");
    connection.end();
    await stopped;
    expect(leaving.phase).toBe("exited");
    expect(leaving.exit).toEqual({ kind: "code", code: 0 });
    expect(observer.sets).toEqual(["orders-1:RS orders-2:RS", "orders-1:ST orders-2:RS", "orders-2:RS"]);
    expect(log).toEqual(["terminating orders-1", "exited orders-1"]);
    observer.close();
    await cluster.stop(leaving);
    await cluster.stop(pod(cluster, 0));
    expect(observer.sets).toHaveLength(3);
  });

  test("kills a pod that does not end in its grace period", async () => {
    const cluster = await start({ size: 1, pod: { module, args: ["stubborn"] }, terminationGraceMs: 50 });
    const { log } = record(cluster);
    const [stubborn] = cluster.pods;
    await cluster.stop(stubborn!);
    expect(stubborn!.exit).toEqual({ kind: "signal", signal: "SIGKILL" });
    expect(log).toEqual(["terminating orders-1", "killed orders-1", "exited orders-1"]);
  });

  test("publishes changes late, but for the start", async () => {
    const cluster = await start({ propagationMs: 300 });
    const { sets } = observe(cluster);
    expect(sets).toEqual(["orders-1:RS orders-2:RS"]);
    const stopped = cluster.stop(pod(cluster, 1));
    expect(sets).toHaveLength(1);
    await cluster.published();
    expect(sets[1]).toBe("orders-1:RS orders-2:ST");
    await stopped;
    await cluster.published();
    expect(sets.slice(2)).toEqual(["orders-1:RS"]);
  });

  test("notices a death late, and does not make up for it", async () => {
    const cluster = await start({ killDetectionMs: 20 });
    const { log, events } = record(cluster);
    const { sets } = observe(cluster);
    let setsAtExit = 0;
    cluster.on((event) => {
      if (event.kind === "exited") setsAtExit = sets.length;
    });
    const connection = dial(pod(cluster, 0).address);
    await ask(connection, "x");
    const lost = once(connection, "close");
    await cluster.kill(pod(cluster, 0));
    await lost;
    expect(log).toEqual(["killed orders-1", "exited orders-1"]);
    expect(events[1]).toMatchObject({ exit: { kind: "signal", signal: "SIGKILL" } });
    expect(names(cluster)).toEqual(["orders-2"]);
    expect(setsAtExit).toBe(1);
    await expect.poll(() => sets, poll).toEqual(["orders-1:RS orders-2:RS", "orders-2:RS"]);
    await cluster.scale(2);
    expect(names(cluster)).toEqual(["orders-2", "orders-3"]);
  });

  test("notices a pod that dies by itself", async () => {
    const cluster = await start({ killDetectionMs: 0 });
    const { sets } = observe(cluster);
    process.kill(pod(cluster, 1).pid!, "SIGKILL");
    await expect.poll(() => sets, poll).toEqual(["orders-1:RS orders-2:RS", "orders-1:RS"]);
  });

  test("freezes and thaws a pod, which stays in the set", async () => {
    const cluster = await start({ size: 1 });
    const { log } = record(cluster);
    const [frozen] = cluster.pods;
    const connection = dial(frozen!.address);
    await ask(connection, "before");
    cluster.freeze(frozen!);
    expect(frozen!.phase).toBe("frozen");
    expect(() => cluster.freeze(frozen!)).toThrow(/is frozen: only a ready pod/);
    let answered = false;
    const answer = ask(connection, "question").finally(() => {
      answered = true;
    });
    await once(dial(frozen!.address), "connect"); // the kernel accepts for it
    expect(answered).toBe(false);
    expect(describeSet(cluster.endpoints())).toBe("orders-1:RS");
    cluster.thaw(frozen!);
    expect(await answer).toBe("orders-1 question");
    expect(() => cluster.thaw(frozen!)).toThrow(/is ready: only a frozen pod/);
    expect(log).toEqual(["frozen orders-1", "thawed orders-1"]);
  });

  test("a frozen pod notices SIGTERM when it thaws", async () => {
    const cluster = await start({ size: 1 });
    const [frozen] = cluster.pods;
    cluster.freeze(frozen!);
    const stopped = cluster.stop(frozen!);
    expect(frozen!.phase).toBe("terminating");
    cluster.thaw(frozen!);
    await stopped;
    expect(frozen!.exit).toEqual({ kind: "code", code: 0 });
  });

  test("restarts pod by pod, a new one ready before an old one goes", async () => {
    const cluster = await start();
    const { log } = record(cluster);
    const { sets } = observe(cluster);
    await cluster.rollingRestart();
    expect(names(cluster)).toEqual(["orders-3", "orders-4"]);
    expect(log.filter((line) => !line.startsWith("exited"))).toEqual([
      "started orders-3",
      "ready orders-3",
      "terminating orders-1",
      "started orders-4",
      "ready orders-4",
      "terminating orders-2",
    ]);
    expect(log.filter((line) => line.startsWith("exited")).sort()).toEqual(["exited orders-1", "exited orders-2"]);
    for (const set of sets) expect(set.match(/:RS/g)?.length, set).toBeGreaterThanOrEqual(2);
    expect(sets.at(-1)).toBe("orders-3:RS orders-4:RS");
  });

  test("on() can be ended", async () => {
    const cluster = await start({ size: 1 });
    const seen: string[] = [];
    const end = cluster.on((event) => seen.push(event.kind));
    cluster.freeze(pod(cluster, 0));
    end();
    cluster.thaw(pod(cluster, 0));
    expect(seen).toEqual(["frozen"]);
  });

  test("refuses pods of others", async () => {
    const [one, other] = await Promise.all([start({ size: 1 }), start({ size: 1 })]);
    await expect(one.kill(pod(other, 0))).rejects.toThrow(/^pod: expected one of this cluster's pods/);
    expect(() => one.freeze({ ...pod(one, 0) })).toThrow(TypeError);
  });

  test("DNS and virtual IP follow the pods", async () => {
    const cluster = await start({ size: 3, killDetectionMs: 0 });
    const server = await cluster.startDns({ ttlSeconds: 0 });
    const resolver = new dns.Resolver();
    resolver.setServers([server.address]);
    const addresses = async () => (await resolver.resolve4(cluster.host)).sort();
    expect(await addresses()).toEqual(cluster.pods.map((each) => each.address.host).sort());
    const vip = await cluster.startVirtualIp({ random: seededRandom(3) });
    const first = dial(vip);
    const name = (await ask(first, "x")).split(" ")[0];
    const chosen = cluster.pods.find((each) => each.name === name)!;
    const lost = once(first, "close");
    await cluster.kill(chosen);
    await lost;
    await expect.poll(() => keys(cluster), poll).not.toContain(name);
    const answers = new Set<string>();
    for (let count = 0; count < 20; count++) answers.add(await ask(dial(vip), "x"));
    expect([...answers].sort()).toEqual(cluster.pods.map((each) => `${each.name} x`));
    expect(await addresses()).toHaveLength(2);
    await cluster.close();
    expect(await resolver.resolve4(cluster.host).catch((error: NodeJS.ErrnoException) => error.code)).toBe(
      "ECONNREFUSED",
    );
  });

  test("close ends everything, also what is frozen or starting, once", async () => {
    const cluster = await start({ terminationGraceMs: 1_000_000 });
    const pids = cluster.pods.map((each) => each.pid!);
    cluster.freeze(pod(cluster, 0));
    const stopped = cluster.stop(pod(cluster, 0));
    const scaled = expect(cluster.scale(3)).rejects.toThrow(/was killed before it was ready/);
    const { sets } = observe(cluster);
    const told = sets.length;
    await Promise.all([cluster.close(), cluster.close()]);
    await Promise.all([scaled, stopped]);
    for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow("ESRCH");
    expect(sets).toHaveLength(told);
    expect(observe(cluster).sets).toEqual(["notFound"]);
    await expect(cluster.scale(1)).rejects.toThrow("the pretend cluster orders is closed");
    await expect(cluster.startDns()).rejects.toThrow(/is closed/);
  });

  test("await using closes it", async () => {
    let pid = 0;
    {
      await using cluster = await start({ size: 1 });
      pid = pod(cluster, 0).pid!;
    }
    expect(() => process.kill(pid, 0)).toThrow("ESRCH");
  });

  test("what a pod started ends with it", async () => {
    const cluster = await start({ size: 1, pod: { module, args: ["parent"] }, killDetectionMs: 0 });
    await expect.poll(() => pod(cluster, 0).output, poll).toMatch(/child \d+/);
    const child = Number(/child (\d+)/.exec(pod(cluster, 0).output)?.[1]);
    expect(await runs(child)).toBe(true);
    await cluster.stop(pod(cluster, 0));
    await expect.poll(() => runs(child), poll).toBe(false);
  });

  test("pods end with their parent, however it ends, also frozen ones", async () => {
    const parent = spawn(process.execPath, [new URL("../../fixtures/parent.ts", import.meta.url).pathname], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const closed = once(parent, "close");
    const [line] = await once(createInterface(parent.stdout), "line");
    const pids: number[] = JSON.parse(line);
    expect(pids).toHaveLength(2);
    for (const pid of pids) expect(await runs(pid)).toBe(true);
    parent.kill("SIGKILL");
    await closed;
    for (const pid of pids) await expect.poll(() => runs(pid), poll).toBe(false);
  });
});
