import { type ChildProcess, spawn } from "node:child_process";
import type { Readable } from "node:stream";
import { type Address, formatAddress } from "@evenkeel/core";
import { describeExit, type Pod, type PodChange, type PodExit, type PodPhase } from "./pod.ts";
import { untilAccepting } from "./probe.ts";

const outputLength = 16_384;

/** How long what a pod has written is waited for after its end, where something else holds its pipes open. */
const outputGraceMs = 1_000;

/** What a pod is and runs. */
export interface PodSpec {
  readonly name: string;
  readonly address: Address;
  readonly zone: string | undefined;
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Called before it is killed. Returns what SIGKILL has to wait for, which never rejects; `undefined` for nothing. */
  readonly sever: () => Promise<void> | undefined;
}

/**
 * One pod: a child process in a process group of its own. Like a container, the group is stopped and killed as a whole,
 * SIGTERM goes to its first process alone, and the rest ends with it.
 */
export class PodProcess implements Pod {
  readonly name: string;
  readonly address: Address;
  readonly zone: string | undefined;
  readonly pid: number | undefined;
  readonly startedAt: number;
  readonly #onChange: (pod: PodProcess, change: PodChange) => void;
  readonly #sever: () => Promise<void> | undefined;
  readonly #startup = new AbortController();
  readonly #gone = Promise.withResolvers<void>();
  #readyAt: number | undefined;
  #exit: PodExit | undefined;
  #terminating = false;
  #frozen = false;
  #killed = false;
  #output = "";

  /** Starts the process. `onChange` is never called before the constructor has returned. */
  constructor(spec: PodSpec, onChange: (pod: PodProcess, change: PodChange) => void) {
    this.name = spec.name;
    this.address = spec.address;
    this.zone = spec.zone;
    this.#onChange = onChange;
    this.#sever = spec.sever;
    const facts: Record<string, string> = {
      POD_NAME: spec.name,
      POD_IP: spec.address.host,
      PORT: String(spec.address.port),
      ...(spec.zone === undefined ? {} : { POD_ZONE: spec.zone }),
    };
    const fill = (text: string): string => text.replaceAll(/\$\((\w+)\)/g, (whole, name) => facts[name] ?? whole);
    this.startedAt = performance.now();
    const child = spawn(spec.program, spec.args.map(fill), {
      env: { ...process.env, ...spec.env, ...facts },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    this.pid = child.pid;
    this.#watch(child, child.stdout, child.stderr);
  }

  get phase(): PodPhase {
    if (this.#exit !== undefined) return "exited";
    if (this.#terminating) return "terminating";
    if (this.#readyAt === undefined) return "starting";
    return this.#frozen ? "frozen" : "ready";
  }

  get readyAt(): number | undefined {
    return this.#readyAt;
  }

  get exit(): PodExit | undefined {
    return this.#exit;
  }

  get output(): string {
    return this.#output;
  }

  /** Whether it counts as one of the pods that the cluster is to have: nobody has ended it, and it has not ended. */
  get wanted(): boolean {
    return this.#exit === undefined && !this.#terminating && !this.#killed;
  }

  /** Whether it was told to end by SIGTERM, also when it has. */
  get stopped(): boolean {
    return this.#terminating;
  }

  /** Resolves when the process is gone and all that it wrote is read; at once when that was before. */
  get gone(): Promise<void> {
    return this.#gone.promise;
  }

  /**
   * Resolves once it accepts connections. Rejects with an `Error` that tells what it wrote when it ends before, is
   * ended, or takes longer than `timeoutMs`; then it is killed. To be called once.
   */
  async becomeReady(timeoutMs: number): Promise<void> {
    const { signal } = this.#startup;
    const where = formatAddress(this.address);
    const timer = setTimeout(() => {
      this.#startup.abort(`did not accept connections at ${where} within ${timeoutMs} ms`);
      this.kill();
    }, timeoutMs);
    try {
      await untilAccepting(this.address, signal);
      signal.throwIfAborted();
    } catch {
      await this.gone;
      const output = this.#output.trim();
      throw new Error(
        `pod ${this.name} ${signal.reason}; ${output === "" ? "it wrote nothing" : `it wrote:\n${output}`}`,
      );
    } finally {
      clearTimeout(timer);
    }
    this.#readyAt = performance.now();
    this.#onChange(this, { kind: "ready" });
  }

  /** Sends SIGTERM, and SIGKILL `graceMs` later; resolves when it is gone. */
  async stop(graceMs: number): Promise<void> {
    if (this.#exit !== undefined) return;
    if (!this.#terminating) {
      this.#terminating = true;
      this.#onChange(this, { kind: "terminating" });
      this.#startup.abort("was stopped before it was ready");
      if (this.pid !== undefined) signalTo(this.pid, "SIGTERM");
    }
    const timer = setTimeout(() => this.kill(), graceMs);
    try {
      await this.gone;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Sends SIGKILL, once the pod is severed. */
  kill(): void {
    if (this.#exit !== undefined || this.#killed) return;
    this.#killed = true;
    this.#onChange(this, { kind: "killed" });
    this.#startup.abort("was killed before it was ready");
    const end = (): void => {
      if (this.pid !== undefined && this.#exit === undefined) signalTo(-this.pid, "SIGKILL");
    };
    const severed = this.#sever();
    if (severed === undefined) end();
    else void severed.then(end);
  }

  /** Sends SIGSTOP. Throws an `Error` unless it is ready. */
  freeze(): void {
    if (this.pid === undefined || this.phase !== "ready") {
      throw new Error(`pod ${this.name} is ${this.phase}: only a ready pod can be frozen`);
    }
    signalTo(-this.pid, "SIGSTOP");
    this.#frozen = true;
    this.#onChange(this, { kind: "frozen" });
  }

  /** Sends SIGCONT. Throws an `Error` unless it is frozen. */
  thaw(): void {
    if (this.pid === undefined || !this.#frozen || this.#exit !== undefined) {
      throw new Error(`pod ${this.name} is ${this.phase}: only a frozen pod can be thawed`);
    }
    signalTo(-this.pid, "SIGCONT");
    this.#frozen = false;
    this.#onChange(this, { kind: "thawed" });
  }

  #watch(child: ChildProcess, stdout: Readable, stderr: Readable): void {
    for (const stream of [stdout, stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        this.#output = (this.#output + text).slice(-outputLength);
      });
    }
    child.on("error", (error) => {
      this.#exited({ kind: "notStarted", error });
      this.#gone.resolve();
    });
    child.on("exit", (code, signal) => {
      if (this.pid !== undefined) signalTo(-this.pid, "SIGKILL"); // what it started
      this.#exited(signal === null ? { kind: "code", code: code ?? 0 } : { kind: "signal", signal });
      const timer = setTimeout(() => {
        stdout.destroy();
        stderr.destroy();
      }, outputGraceMs);
      child.on("close", () => {
        clearTimeout(timer);
        this.#gone.resolve();
      });
    });
  }

  #exited(exit: PodExit): void {
    this.#exit = exit;
    this.#startup.abort(`${describeExit(exit)}${exit.kind === "notStarted" ? "" : " before it was ready"}`);
    this.#onChange(this, { kind: "exited", exit });
  }
}

/** Sends a signal to a process, or for a negative id to its group. Nothing happens when it is gone already. */
function signalTo(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code !== "ESRCH" && code !== "EPERM") throw error; // macOS says EPERM of a group that has ended
  }
}
