import { delimiter, dirname } from "node:path";
import { fileURLToPath } from "node:url";
import type { Children } from "./children.ts";
import { find } from "./requirements.ts";

/** Generates the Go code of the proto and builds the two servers, into the ignored folder `gen`. */
export async function buildGo(children: Children): Promise<void> {
  const cwd = fileURLToPath(new URL("./peers/go", import.meta.url));
  const proto = fileURLToPath(new URL("../../proto", import.meta.url));
  const folder = dirname(find("go") ?? "");
  const env = { PATH: `${process.env["PATH"]}${delimiter}${folder}` };
  for (const command of [
    ["buf", "generate", proto],
    ["go", "build", "-o", "gen/bin/", "./grpc-go", "./connect-go"],
  ] as const) {
    const child = await children.start(command, { cwd, env });
    if ((await child.exitCode) !== 0) throw new Error(`${command.join(" ")} failed:\n${child.output}`);
  }
}
