import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** Programs by peer, and where they come from. */
const requirements: Readonly<Record<string, { readonly program: string; readonly from: string }>> = {
  "grpc-go": { program: "go", from: "https://go.dev/dl, 1.26 or later" },
  "connect-go": { program: "go", from: "https://go.dev/dl, 1.26 or later" },
  nginx: { program: "nginx", from: "the Debian package nginx" },
  nghttpd: { program: "nghttpd", from: "the Debian package nghttp2-server" },
};

/** What these peers need and the machine does not have, a sentence each. */
export function missing(peers: readonly string[]): readonly string[] {
  const complaints = peers.flatMap((peer) => {
    const requirement = requirements[peer];
    if (requirement === undefined || find(requirement.program) !== undefined) return [];
    return [`${requirement.program} is missing: install ${requirement.from}`];
  });
  return [...new Set(complaints)];
}

/** The file of a program; Debian's servers are where only root's PATH leads. */
export function find(program: string): string | undefined {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/usr/local/go/bin"];
  return folders.map((folder) => join(folder, program)).find(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
