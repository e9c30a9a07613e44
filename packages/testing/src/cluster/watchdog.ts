import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Writable } from "node:stream";

/**
 * Reads process ids from its parent until there is no parent any more, then kills the groups of those that are left, and
 * cleans up. A process of its own, because a stopped pod cannot notice that its parent has gone.
 *
 * Where the parent died, what it had begun may still make something: that gets a second to end before the cleanup.
 */
const script = `
pids=
cleanup=
closed=
while read -r action what; do
  case $action in
    add) pids="$pids $what" ;;
    remove)
      rest=
      for other in $pids; do [ "$other" = "$what" ] || rest="$rest $other"; done
      pids=$rest ;;
    cleanup) cleanup=$what ;;
    close) closed=yes ;;
  esac
done
for pid in $pids; do kill -s KILL -- "-$pid"; done
[ -n "$closed" ] || sleep 1
eval "$cleanup"
`;

/** Ends pods whose parent died without closing their cluster, however it died, and removes their network. */
export class Watchdog {
  readonly #input: Writable;
  readonly #ended: Promise<unknown>;

  private constructor(child: ChildProcess, input: Writable) {
    this.#input = input;
    this.#ended = once(child, "close");
    input.on("error", () => {}); // the watchdog was killed: pods are still ended by close()
  }

  /** Rejects with an `Error` where there is no `sh`. */
  static async start(): Promise<Watchdog> {
    // a group of its own: an interrupt from the terminal must not end it before the pods
    const child = spawn("sh", ["-c", script], { stdio: ["pipe", "ignore", "ignore"], detached: true, cwd: "/" });
    await once(child, "spawn");
    return new Watchdog(child, child.stdin);
  }

  /** Guards the process group `pid`. */
  add(pid: number): void {
    this.#input.write(`add ${pid}\n`);
  }

  /** The group has ended: its id may soon be another's. */
  remove(pid: number): void {
    this.#input.write(`remove ${pid}\n`);
  }

  /** Has `command` run by `sh` in the end, when the groups are killed: one line, which may fail. */
  setCleanup(command: string): void {
    this.#input.write(`cleanup ${command}\n`);
  }

  /** Ends the watchdog, and what it still guards. */
  async close(): Promise<void> {
    this.#input.end("close\n");
    await this.#ended;
  }
}
