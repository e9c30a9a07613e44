import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { Watchdog } from "../cluster/watchdog.ts";
import { Namespace, type Programs } from "./namespace.ts";
import { stageChange } from "./stages.ts";

/** What has to be known of a machine. */
export interface MachineFacts {
  readonly platform: NodeJS.Platform;
  /** The effective user; `undefined` on Windows. */
  readonly user: number | undefined;
  /** Folders of programs. */
  readonly path: readonly string[];
}

/** Whether pods can live in a network that lags, and if not, why, and what to do. */
export type LagSupport = { readonly ok: true } | { readonly ok: false; readonly reason: string };

let support: Promise<LagSupport> | undefined;

/**
 * Whether `startCluster` can have a network that lags here: for tests that are to be skipped elsewhere. It is tried out,
 * once in a process: a namespace is made, dialled, filled with one rule of each kind, and removed.
 */
export function canLag(): Promise<LagSupport> {
  support ??= tryOut(thisMachine());
  return support;
}

/** As `canLag`, for a machine with these facts. */
export async function tryOut(facts: MachineFacts): Promise<LagSupport> {
  try {
    const programs = await findPrograms(facts);
    const watchdog = await Watchdog.start();
    try {
      await fillOne(programs, watchdog);
    } finally {
      await watchdog.close();
    }
    return { ok: true };
  } catch (error) {
    return { ok: false, reason: error instanceof Error ? error.message : String(error) };
  }
}

async function fillOne(programs: Programs, watchdog: Watchdog): Promise<void> {
  const namespace = await Namespace.open(programs, (command) => watchdog.setCleanup(command));
  try {
    const [host] = namespace.hosts;
    if (host === undefined) throw new Error("a block has no addresses");
    await namespace.changeRules(stageChange(host, undefined, "reset"));
    await namespace.changeRules(stageChange(host, "reset", "refuse"));
    await namespace.resetConnections(host);
  } finally {
    await namespace.close();
  }
}

/** The machine that this process runs on. */
export function thisMachine(): MachineFacts {
  return {
    platform: process.platform,
    user: process.geteuid?.(),
    // a root shell from `su` has no sbin in its PATH
    path: [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/sbin"].filter((folder) => folder !== ""),
  };
}

/** Rejects with an `Error` that says what is missing, and what to do. */
export async function findPrograms({ platform, user, path }: MachineFacts): Promise<Programs> {
  if (platform !== "linux") throw new Error(`it takes network namespaces, which Linux has and ${platform} has not`);
  if (user !== 0) throw new Error(`it takes root, and this process runs as user ${user}: run it with sudo`);
  const find = async (program: string, debianPackage: string): Promise<string> => {
    for (const folder of path) {
      const file = join(folder, program);
      if (await isExecutable(file)) return file;
    }
    throw new Error(`it takes the program ${program}: install it (Debian: apt-get install ${debianPackage})`);
  };
  return {
    ip: await find("ip", "iproute2"),
    ss: await find("ss", "iproute2"),
    iptablesRestore: await find("iptables-restore", "iptables"),
  };
}

function isExecutable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}
