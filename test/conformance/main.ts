import { type StdioOptions, spawn } from "node:child_process";
import { globSync } from "node:fs";
import { join } from "node:path";

// Runs the official conformance runner against our client: first every RPC on a connection of its own, then all RPCs
// to a server on its connections. `--only own`, `--only shared`: just one of them; `--only reference`: the transports
// of @connectrpc/connect-node instead. All other arguments go to the runner, as `--run PATTERN`, `--trace` or `-v`.

const folder = import.meta.dirname;
const runner = join(folder, "gen", "connectconformance");

/** A command that cannot run, or has failed. */
class CommandError extends Error {}

try {
  const options = process.argv.slice(2);
  const at = options.indexOf("--only");
  const clients = at < 0 ? ["own", "shared"] : options.splice(at, 2).slice(1);
  if (!["own", "shared", "reference"].includes(clients[0] ?? "")) {
    throw new CommandError(`--only: expected own, shared or reference, got ${clients[0]}`);
  }
  const source = await prepare();
  options.unshift("--mode", "client", "--conf", join(folder, "conformance.yaml"), ...suitesOf(source));
  const failed: string[] = [];
  for (const client of clients) {
    process.stdout.write(`Connections: ${client}\n`);
    const { exitCode } = await run(runner, [...options, "--", process.execPath, join(folder, "client.ts"), client]);
    if (exitCode !== 0) failed.push(client);
  }
  if (failed.length > 0) throw new CommandError(`failed with connections: ${failed.join(", ")}`);
  await mustRun("tsc", ["--project", folder]); // only now is there all the code that it checks
} catch (error) {
  if (!(error instanceof CommandError)) throw error;
  process.stderr.write(`conformance: ${error.message}\n`);
  process.exitCode = 1;
}

/** Builds the runner, and generates the code of its messages. Resolves with the folder of the runner's source. */
async function prepare(): Promise<string> {
  const module = "connectrpc.com/conformance";
  await mustRun("go", ["build", "-o", runner, `${module}/cmd/connectconformance`]);
  const source = await mustRun("go", ["list", "-m", "-f", "{{.Dir}}", module], ["ignore", "pipe", "inherit"]);
  await mustRun("buf", ["generate", source.trim(), "--template", "buf.gen.yaml"]);
  return source.trim();
}

/** The runner's own suites and ours: a runner that is given any runs no other. */
function suitesOf(source: string): string[] {
  const folders = [join(source, "internal/app/connectconformance/testsuites/data"), join(folder, "suites")];
  const files = folders.map((each) => globSync(join(each, "*.yaml")));
  if (files.some((each) => each.length === 0)) throw new CommandError(`no suites in one of ${folders.join(", ")}`);
  return files.flat().flatMap((each) => ["--test-file", each]);
}

/** Runs a command that has to succeed. Resolves with what it wrote to stdout, if that is a pipe. */
async function mustRun(command: string, args: string[], stdio?: StdioOptions): Promise<string> {
  const { exitCode, stdout } = await run(command, args, stdio);
  if (exitCode !== 0) throw new CommandError(`${command} ended with exit code ${exitCode}`);
  return stdout;
}

function run(command: string, args: string[], stdio: StdioOptions = "inherit") {
  const child = spawn(command, args, { cwd: folder, stdio, env: { ...process.env, GOWORK: "off" } });
  const ended = Promise.withResolvers<{ exitCode: number | NodeJS.Signals; stdout: string }>();
  let stdout = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.once("error", (error: NodeJS.ErrnoException) => {
    const isMissing = error.code === "ENOENT";
    ended.reject(new CommandError(isMissing ? `${command} is missing: ${hintOf(command)}` : error.message));
  });
  child.once("close", (code, signal) => ended.resolve({ exitCode: code ?? signal ?? 1, stdout }));
  return ended.promise;
}

function hintOf(command: string): string {
  if (command === "go") return "install Go 1.26 or later, see https://go.dev/dl";
  return "run this as `pnpm conformance`, which puts it on the PATH";
}
