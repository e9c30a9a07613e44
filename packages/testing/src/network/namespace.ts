import { randomInt, systemRandom } from "@evenkeel/core";
import { type Block, freeBlocks } from "./block.ts";
import { checkRefused } from "./refused.ts";
import { run } from "./run.ts";

/** Where the programs are that a namespace takes. */
export interface Programs {
  readonly ip: string;
  readonly ss: string;
  readonly iptablesRestore: string;
}

/** The device's name on the inside. */
const inside = "eth0";

/**
 * A network namespace with a block of addresses, which the machine reaches over a pair of devices. The machine's own
 * rules and forwarding are left alone.
 */
export class Namespace {
  readonly #programs: Programs;
  readonly #name: string;
  #hosts: readonly string[] = [];

  private constructor(programs: Programs, name: string) {
    this.#programs = programs;
    this.#name = name;
  }

  /**
   * Makes one. `onCleanup` is called before, with the shell command that kills what runs there and removes it, whatever
   * there is of it by then. Rejects with an `Error` that tells the command that failed, or that the machine cannot
   * reach it; nothing is left then.
   */
  static async open(programs: Programs, onCleanup: (command: string) => void): Promise<Namespace> {
    const name = `evenkeel-${process.pid}-${randomInt(systemRandom, 2 ** 31).toString(36)}`;
    const namespace = new Namespace(programs, name);
    const ip = quoted(programs.ip);
    onCleanup(
      `kill -s KILL $(${ip} netns pids ${name}); ${ip} -n ${name} link delete ${inside}; ${ip} netns delete ${name}`,
    );
    await namespace.#ip(["netns", "add", name]).catch((error: Error) => {
      const advice = /not permitted|denied|read-only/i.test(error.message)
        ? "; in a container it takes --privileged"
        : "";
      throw new Error(`${error.message}${advice}`, { cause: error });
    });
    try {
      const block = await namespace.#claim();
      await namespace.#configure(block);
      namespace.#hosts = block.hosts;
      const [host] = block.hosts;
      if (host !== undefined) await checkRefused(host);
      return namespace;
    } catch (error) {
      await namespace.close().catch(() => {}); // the first error tells more
      throw error;
    }
  }

  /** The addresses that pods can listen on. The machine's own can be reached from there, and nothing else. */
  get hosts(): readonly string[] {
    return this.#hosts;
  }

  /** What starts `program` inside. The process becomes the program, so that their ids are the same. */
  command(program: string, args: readonly string[]): { readonly program: string; readonly args: readonly string[] } {
    return { program: this.#programs.ip, args: ["netns", "exec", this.#name, program, ...args] };
  }

  /** Hands `change` to `iptables-restore`, which carries it out as a whole or rejects. */
  async changeRules(change: string): Promise<void> {
    // -w: with the legacy backend all namespaces of a machine share one lock
    await this.#run(this.#programs.iptablesRestore, ["--noflush", "-w", "5"], change);
  }

  /**
   * Ends the connections of `host` with a reset of their peers, which then need not send something first. On kernels
   * without CONFIG_INET_DIAG_DESTROY nothing happens.
   */
  async resetConnections(host: string): Promise<void> {
    await this.#run(this.#programs.ss, ["-K", "-H", "-t", "-n", "src", host]);
  }

  /** Removes it. Rejects with an `Error` that tells the command that failed. */
  async close(): Promise<void> {
    // connections that are still ending keep a namespace alive, and its device with it
    await this.#ip(["-n", this.#name, "link", "delete", inside]).catch(() => {});
    await this.#ip(["netns", "delete", this.#name]);
  }

  /** Makes the pair of devices, under a name that says which block they are for. */
  async #claim(): Promise<Block> {
    const routes: { dst: string }[] = JSON.parse(await this.#ip(["-j", "-4", "route", "show", "table", "all"]));
    const free = freeBlocks(
      routes.map((route) => route.dst),
      randomInt(systemRandom, 64),
    );
    for (const block of free) {
      try {
        await this.#ip(["link", "add", block.device, "type", "veth", "peer", "name", inside, "netns", this.#name]);
        return block;
      } catch (error) {
        if (!(error instanceof Error && error.message.includes("File exists"))) throw error;
      }
    }
    throw new Error("no part of 198.18.0.0/15 is free: routes or other clusters have it");
  }

  async #configure(block: Block): Promise<void> {
    await this.#ip(["-batch", "-"], `address add ${block.machine} dev ${block.device}\nlink set ${block.device} up\n`);
    const own = [
      "link set lo up",
      `link set ${inside} up`,
      `address add ${block.gateway} dev ${inside}`,
      `route add local ${block.pods} dev lo`, // every address of it is one to listen on
    ];
    await this.#ip(["-n", this.#name, "-batch", "-"], `${own.join("\n")}\n`);
  }

  #ip(args: readonly string[], input?: string): Promise<string> {
    return run(this.#programs.ip, args, input);
  }

  #run(program: string, args: readonly string[], input?: string): Promise<string> {
    const command = this.command(program, args);
    return run(command.program, command.args, input);
  }
}

/** As a word of `sh`. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
