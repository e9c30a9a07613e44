import { type ChildProcess, fork } from "node:child_process";
import type { ClientJob, ClientReport, Order, Reply } from "./messages.ts";

const program = new URL("./clients/worker.ts", import.meta.url);

const running = new Set<ClientProcess>();

process.on("exit", () => {
  for (const client of running) client.kill();
});

/** A client in a process of its own, which ends when this one does, however that ends. */
export class ClientProcess {
  readonly #job: ClientJob;
  readonly #process: ChildProcess;
  readonly #gone = Promise.withResolvers<void>();
  readonly #replies = new Map<Reply["kind"], PromiseWithResolvers<Reply>>();
  #end: string | undefined;

  constructor(job: ClientJob) {
    this.#job = job;
    this.#process = fork(program, [JSON.stringify(job)], {
      execArgv: [],
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    running.add(this);
    this.#process.on("message", (message) => this.#settle(message as Reply));
    this.#process.on("error", (error) => this.#ended(error.message));
    this.#process.on("exit", (code, signal) => this.#ended(`it ended with ${signal ?? `code ${code}`}`));
  }

  /** Resolves once it can be told to run. Rejects with an `Error` that tells why it cannot, as the others do. */
  async ready(): Promise<void> {
    await this.#reply("ready", 30_000);
  }

  /** Resolves when the RPCs that are owed have settled; more follow. */
  async run(limitMs: number): Promise<void> {
    this.#send("run");
    await this.#reply("enough", limitMs);
  }

  /** Resolves when the last RPC has settled. */
  async finish(): Promise<ClientReport> {
    this.#send("finish");
    return (await this.#reply("report", 30_000)) as ClientReport;
  }

  kill(): void {
    if (this.#end === undefined) this.#process.kill("SIGKILL");
  }

  async close(): Promise<void> {
    this.kill();
    await this.#gone.promise;
  }

  #send(order: Order): void {
    if (this.#end === undefined) this.#process.send(order);
  }

  async #reply(kind: Reply["kind"], limitMs: number): Promise<Reply> {
    const timer = setTimeout(() => this.#settle({ kind: "failed", reason: `no "${kind}" in ${limitMs} ms` }), limitMs);
    try {
      const reply = await Promise.race([this.#awaited(kind).promise, this.#awaited("failed").promise]);
      if (reply.kind === "failed") throw new Error(`${this.#job.client} failed: ${reply.reason}`);
      return reply;
    } finally {
      clearTimeout(timer);
    }
  }

  #awaited(kind: Reply["kind"]): PromiseWithResolvers<Reply> {
    const awaited = this.#replies.get(kind) ?? Promise.withResolvers<Reply>();
    this.#replies.set(kind, awaited);
    return awaited;
  }

  #settle(reply: Reply): void {
    this.#awaited(reply.kind).resolve(reply);
  }

  #ended(reason: string): void {
    this.#end ??= reason;
    running.delete(this);
    this.#settle({ kind: "failed", reason });
    this.#gone.resolve();
  }
}
