import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { createInterface, type Interface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { untilAccepting } from "../../packages/testing/src/cluster/probe.ts";
import { Watchdog } from "../../packages/testing/src/cluster/watchdog.ts";

export const host = "127.0.0.1";

const startupMs = 10_000;
const outputLength = 4_096;

export interface ChildOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** The processes of a run: each in a group of its own, all of them ended with the run, however it ends. */
export class Children {
  readonly #watchdog: Watchdog;
  readonly #running = new Set<Child>();
  #isClosed = false;

  private constructor(watchdog: Watchdog) {
    this.#watchdog = watchdog;
  }

  static async create(): Promise<Children> {
    return new Children(await Watchdog.start());
  }

  /** Rejects with an `Error` when the program cannot be run, or the run is over. */
  async start(command: readonly [string, ...string[]], options: ChildOptions = {}): Promise<Child> {
    if (this.#isClosed) throw new Error("the run is over");
    const [program, ...args] = command;
    const spawned = spawn(program, args, {
      env: { ...process.env, ...options.env },
      cwd: options.cwd,
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    const isRunning = once(spawned, "spawn");
    if (spawned.pid === undefined) await isRunning; // rejects with the reason
    const child = new Child(program, spawned);
    this.#running.add(child);
    this.#watchdog.add(child.pid);
    spawned.once("close", () => {
      this.#running.delete(child);
      this.#watchdog.remove(child.pid);
    });
    await isRunning;
    return child;
  }

  /** Kills what still runs, and lets nothing start. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#running].map((child) => child.kill()));
    await this.#watchdog.close();
  }
}

/** A running program. */
export class Child {
  readonly pid: number;
  /** Resolves when the process is gone and its output is read. */
  readonly gone: Promise<void>;
  /** Resolves with it; `null` when a signal ended the process. */
  readonly exitCode: Promise<number | null>;
  readonly #name: string;
  readonly #process: ChildProcess;
  readonly #lines: Interface;
  #output = "";

  constructor(name: string, child: ChildProcess) {
    const { pid, stdout, stderr } = child;
    if (pid === undefined || stdout === null || stderr === null) throw new TypeError(`${name} has no pipes`);
    this.pid = pid;
    this.#name = name;
    this.#process = child;
    this.#lines = createInterface({ input: stdout });
    this.#lines.on("line", (line) => this.#note(`${line}\n`));
    stderr.setEncoding("utf8").on("data", (text: string) => this.#note(text));
    this.exitCode = once(child, "close").then(([code]) => code);
    this.gone = this.exitCode.then(() => {});
  }

  /** The end of what it wrote. */
  get output(): string {
    return this.#output.trim();
  }

  /** The next line that it writes to stdout. Rejects when it ends, or writes none in time. */
  async line(): Promise<string> {
    const timeout = new AbortController();
    try {
      const line = await Promise.race([
        once(this.#lines, "line", { signal: timeout.signal }),
        this.gone,
        sleep(startupMs, undefined, { signal: timeout.signal }),
      ]);
      if (Array.isArray(line)) return String(line[0]);
    } finally {
      timeout.abort();
    }
    throw new Error(`${this.#name} did not say what it should: ${this.output}`);
  }

  /** Resolves once it accepts connections. Rejects when it ends, or takes too long. */
  async accepting(port: number): Promise<void> {
    const startup = new AbortController();
    const timer = setTimeout(() => startup.abort(new Error("too late")), startupMs);
    this.#process.once("close", () => startup.abort(new Error("it ended")));
    try {
      await untilAccepting({ host, port }, startup.signal);
    } catch (error) {
      throw new Error(`${this.#name} does not accept connections: ${error}; it wrote: ${this.output}`);
    } finally {
      clearTimeout(timer);
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /** Sends SIGTERM, and SIGKILL when that is not enough. */
  async stop(): Promise<void> {
    this.signal("SIGTERM");
    const timer = setTimeout(() => this.kill(), 7_000);
    await this.gone;
    clearTimeout(timer);
  }

  /** Sends SIGKILL to it and all that it started. */
  async kill(): Promise<void> {
    try {
      process.kill(-this.pid, "SIGKILL");
    } catch {
      // gone already
    }
    await this.gone;
  }

  #note(text: string): void {
    this.#output = (this.#output + text).slice(-outputLength);
  }
}

/** A port that nothing listens on; for programs that cannot choose one. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, host);
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no TCP port");
  return address.port;
}
