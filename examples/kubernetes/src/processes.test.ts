import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { get } from "node:http";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@evenkeel/connect";
import { startCluster } from "@evenkeel/testing";
import { describe, expect, it, onTestFinished } from "vitest";
import { DemoService } from "./gen/demo/v1/demo_pb.ts";
import type { Report } from "./tally.ts";

const program = (name: "client" | "server"): string => new URL(`./${name}.ts`, import.meta.url).pathname;

interface Line {
  readonly event: string;
  readonly probePort?: number;
}

type ReportLine = Line & Report & { readonly underWay: number; readonly state: string; readonly connected: number };

/** A process, and the lines that it logs. */
class Program {
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  readonly #lines: Line[] = [];
  readonly #stderr: Promise<string>;
  #wake: () => void = () => {};

  constructor(path: string, env: Readonly<Record<string, string>>) {
    const child = spawn(process.execPath, [path], {
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    this.#exited = once(child, "close");
    this.#stderr = text(child.stderr);
    createInterface(child.stdout).on("line", (line) => {
      this.#lines.push(JSON.parse(line) as Line);
      this.#wake();
    });
    void this.#exited.then(() => this.#wake());
    onTestFinished(async () => {
      child.kill("SIGKILL");
      await this.#exited;
    });
  }

  get reports(): readonly ReportLine[] {
    return this.#lines.filter(({ event }) => event === "report") as ReportLine[];
  }

  /** Resolves with the first line, of those that were not logged yet, for which `predicate` holds. */
  async next<Wanted extends Line>(predicate: (line: Wanted) => boolean): Promise<Wanted> {
    for (let at = this.#lines.length; ; at++) {
      while (this.#lines.length <= at) {
        const { exitCode, signalCode } = this.#child;
        if (exitCode !== null || signalCode !== null)
          throw new Error(`it has ended: ${exitCode ?? signalCode} ${await this.#stderr}`);
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
      const line = this.#lines[at] as Wanted;
      if (predicate(line)) return line;
    }
  }

  report(predicate: (line: ReportLine) => boolean): Promise<ReportLine> {
    return this.next<ReportLine>((line) => line.event === "report" && predicate(line));
  }

  async stop(): Promise<{ readonly code: number | null; readonly stderr: string }> {
    this.#child.kill("SIGTERM");
    return this.exit();
  }

  async exit(): Promise<{ readonly code: number | null; readonly stderr: string }> {
    await this.#exited;
    return { code: this.#child.exitCode, stderr: await this.#stderr };
  }
}

/** GET over HTTP/1.1, as the kubelet's. */
async function probe(host: string, port: number, path: string): Promise<{ status: number | undefined; body: unknown }> {
  const [response] = await once(get({ host, port, path, agent: false }), "response");
  return { status: response.statusCode, body: JSON.parse(await text(response)) };
}

/** The port of the probes, from the log of a pod. */
function probePortOf({ output }: { readonly output: string }): number {
  const line = output.split("\n").find((each) => each.includes('"serving"'));
  return (JSON.parse(line ?? "{}") as Line).probePort ?? 0;
}

const shares = (line: ReportLine): readonly string[] => Object.keys(line.shares);

describe("server and client", () => {
  it("lose no RPC while pods come, go and are replaced", async () => {
    await using cluster = await startCluster({
      pod: { module: program("server"), env: { PROBE_PORT: "0", READINESS_DELAY_MS: "500" } },
      size: 3,
      name: "demo-server",
      propagationMs: 100,
    });
    const { serviceAccount } = await cluster.startApiServer();
    const client = new Program(program("client"), {
      TARGET: `http://demo-server:${cluster.port}`,
      SERVICE_ACCOUNT_DIRECTORY: serviceAccount.directory,
      KUBERNETES_SERVICE_HOST: serviceAccount.host,
      KUBERNETES_SERVICE_PORT: String(serviceAccount.port),
      PROBE_PORT: "0",
      RATE: "100",
      DELAY_MS: "100",
      REPORT_SECONDS: "1",
    });
    const { probePort = 0 } = await client.next(({ event }) => event === "started");
    await client.report((line) => shares(line).length === 3);
    expect(await probe("127.0.0.1", probePort, "/readyz")).toMatchObject({ status: 200 });

    await cluster.scale(4);
    // the new pod may have joined at the end of the first such report
    const isShared = (line: ReportLine) => Object.values(line.shares).every((share) => share > 5);
    const four = await client.report((line) => shares(line).length === 4 && line.ok >= 90 && isShared(line));
    expect(four).toMatchObject({ state: "ready", connected: 4 });

    await cluster.scale(2);
    await cluster.rollingRestart();
    const replaced = ["demo-server-5", "demo-server-6"];
    await client.report((line) => shares(line).join() === replaced.join() && line.connected === 2);

    expect(await client.stop()).toEqual({ code: 0, stderr: "" });
    const { reports } = client;
    expect(reports.at(-1)).toMatchObject({ underWay: 0 });
    expect(reports.filter(({ failed }) => failed > 0)).toEqual([]);
    expect(reports.reduce((sum, { ok }) => sum + ok, 0)).toBeGreaterThan(300);
  });
});

describe("the server", () => {
  it("tells the kubelet and health checks that it drains, finishes what it has, and exits with code 0", async () => {
    await using cluster = await startCluster({
      pod: { module: program("server"), env: { PROBE_PORT: "0", READINESS_DELAY_MS: "0" } },
      size: 1,
    });
    const pod = cluster.pods[0]!;
    const transport = createGrpcTransport({
      baseUrl: cluster.url,
      resolver: cluster.resolver(),
      healthCheck: { service: DemoService.typeName },
    });
    const client = createClient(DemoService, transport);
    expect(await client.ping({})).toMatchObject({ pod: pod.name });
    await expect.poll(() => probePortOf(pod)).toBeGreaterThan(0);
    const ask = (path: string) => probe(pod.address.host, probePortOf(pod), path);
    expect(await ask("/readyz")).toEqual({ status: 200, body: { ready: true, phase: "serving" } });
    expect(await ask("/livez")).toEqual({ status: 200, body: { live: true, phase: "serving" } });

    const charge = client.charge({ work: { delayMs: 1_500 } });
    await expect.poll(() => transport.channel.snapshot().endpoints[0]?.connection?.inFlight).toBe(1);
    const stopped = cluster.stop(pod);
    await expect.poll(() => pod.output).toContain('"draining"');
    expect(await ask("/readyz")).toEqual({ status: 503, body: { ready: false, phase: "draining" } });
    expect(await ask("/livez")).toEqual({ status: 200, body: { live: true, phase: "draining" } });
    expect(await charge).toMatchObject({ pod: pod.name });
    await stopped;
    expect(pod.exit).toMatchObject({ code: 0 });
    await transport.close();
  });
});

describe("mistakes in the environment", () => {
  it.each([
    ["server", "PORT", "http", "PORT: expected an integer from 0 to 65535"],
    ["server", "DRAIN_TIMEOUT_MS", "-1", "DRAIN_TIMEOUT_MS: expected an integer from 0"],
    ["client", "RATE", "0.5", "RATE: expected an integer from 1 to 10000"],
    ["client", "RESOLVER", "consul", "RESOLVER: expected kubernetes or dns"],
    ["client", "TARGET", "demo-server:8080", "demo-server:8080"],
  ] as const)("end the %s: %s is %s", async (name, variable, value, message) => {
    const { code, stderr } = await new Program(program(name), { PORT: "0", PROBE_PORT: "0", [variable]: value }).exit();
    expect(code).toBe(1);
    expect(stderr).toContain(message);
  });
});
