import { type ChildProcess, fork } from "node:child_process";
import type { Ready, Reply, Round, RunRound } from "./messages.ts";

/** No program takes so long to start, and no client to finish a round. */
const patienceMs = 30_000;

const running = new Set<Child>();

process.on("exit", () => {
  for (const child of running) child.kill();
});

/** A program of the benchmark in a process of its own. It ends when this process does, however that ends. */
export class Child {
  readonly #name: string;
  readonly #process: ChildProcess;
  readonly #gone = Promise.withResolvers<void>();
  #waiting: PromiseWithResolvers<Reply> | undefined;
  #end: string | undefined;

  private constructor(name: string, program: URL, job: object, execArgv: readonly string[]) {
    this.#name = name;
    this.#process = fork(program, [JSON.stringify(job)], {
      execArgv: [...execArgv],
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    running.add(this);
    this.#process.on("message", (message) => this.#settle(message as Reply));
    this.#process.on("error", (error) => this.#ended(error.message));
    this.#process.on("exit", (code, signal) => this.#ended(`it ended with ${signal ?? `code ${code}`}`));
  }

  /** Resolves once the program is ready. Rejects with an `Error` when it cannot be. */
  static async start(
    name: string,
    program: URL,
    job: object,
    execArgv: readonly string[] = [],
  ): Promise<{ child: Child; ready: Ready }> {
    const child = new Child(name, program, job, execArgv);
    return { child, ready: await child.#reply("ready") };
  }

  /** Rejects with an `Error` that tells why the program failed. */
  async run(order: RunRound): Promise<Round> {
    return await this.ask(order, "round");
  }

  /** As `run`, for programs that do something else. */
  async ask<Kind extends Reply["kind"]>(order: object, kind: Kind): Promise<Extract<Reply, { kind: Kind }>> {
    if (this.#end === undefined) this.#process.send(order);
    return await this.#reply(kind);
  }

  kill(): void {
    if (this.#end === undefined) this.#process.kill("SIGKILL");
  }

  /** Kills the program; resolves when it is gone. */
  async close(): Promise<void> {
    this.kill();
    await this.#gone.promise;
  }

  async #reply<Kind extends Reply["kind"]>(kind: Kind): Promise<Extract<Reply, { kind: Kind }>> {
    if (this.#end !== undefined) throw new Error(`${this.#name} failed: ${this.#end}`);
    this.#waiting = Promise.withResolvers();
    const timer = setTimeout(() => {
      this.#settle({ kind: "failed", reason: `it said nothing for ${patienceMs / 1_000} s` });
      this.kill();
    }, patienceMs);
    try {
      const reply = await this.#waiting.promise;
      if (reply.kind === "failed") throw new Error(`${this.#name} failed: ${reply.reason}`);
      if (reply.kind !== kind) throw new Error(`${this.#name} failed: it said ${reply.kind} instead of ${kind}`);
      return reply as Extract<Reply, { kind: Kind }>;
    } finally {
      clearTimeout(timer);
      this.#waiting = undefined;
    }
  }

  #settle(reply: Reply): void {
    this.#waiting?.resolve(reply);
  }

  #ended(reason: string): void {
    this.#end ??= reason;
    running.delete(this);
    this.#settle({ kind: "failed", reason });
    this.#gone.resolve();
  }
}
