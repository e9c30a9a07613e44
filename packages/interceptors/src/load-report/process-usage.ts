import { readFileSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";
import { type EventLoopUtilization, performance } from "node:perf_hooks";

/** What a process uses, each from 0 to 1; of the CPU also more, where it gets more than it is entitled to. */
export interface Usage {
  readonly cpu: number;
  readonly memory: number;
  readonly eventLoop: number;
}

/** Measures from one call to the next. */
export class ProcessUsage {
  readonly #cpus = availableCpus();
  readonly #memoryBytes = Math.min(process.constrainedMemory() || Number.POSITIVE_INFINITY, totalmem());
  #cpu: NodeJS.CpuUsage = process.cpuUsage();
  #eventLoop: EventLoopUtilization = performance.eventLoopUtilization();

  /** Since the last call, or the creation, which was `elapsedMs` ago. */
  measure(elapsedMs: number): Usage {
    const cpu = process.cpuUsage();
    const eventLoop = performance.eventLoopUtilization();
    const cpuMs = (cpu.user + cpu.system - this.#cpu.user - this.#cpu.system) / 1_000;
    const { utilization } = performance.eventLoopUtilization(eventLoop, this.#eventLoop);
    this.#cpu = cpu;
    this.#eventLoop = eventLoop;
    return {
      cpu: cpuMs / elapsedMs / this.#cpus,
      memory: Math.min(process.memoryUsage.rss() / this.#memoryBytes, 1),
      eventLoop: utilization,
    };
  }
}

/** The CPUs that the process may use: what its affinity and its control group's quota allow, also a part of one. */
export function availableCpus(read: (file: string) => string = readText): number {
  return Math.min(availableParallelism(), quota2(read) ?? quota1(read) ?? Number.POSITIVE_INFINITY);
}

/** Of cgroup v2: "50000 100000" for half a CPU, "max 100000" for no limit. */
function quota2(read: (file: string) => string): number | undefined {
  const [quota, period] = read("/sys/fs/cgroup/cpu.max").split(" ").map(Number);
  return ratio(quota, period);
}

/** Of cgroup v1, where -1 is no limit. */
function quota1(read: (file: string) => string): number | undefined {
  const folder = "/sys/fs/cgroup/cpu";
  return ratio(Number(read(`${folder}/cpu.cfs_quota_us`)), Number(read(`${folder}/cpu.cfs_period_us`)));
}

function ratio(quota: number | undefined, period: number | undefined): number | undefined {
  return quota !== undefined && period !== undefined && quota > 0 && period > 0 ? quota / period : undefined;
}

/** Empty where there is no such file, which is so outside of Linux. */
function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
