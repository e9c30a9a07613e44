import { availableParallelism } from "node:os";
import { expect, test } from "vitest";
import { availableCpus, ProcessUsage } from "./process-usage.ts";

const cores = availableParallelism();

/** Reads from these files; others do not exist. */
const files = (contents: Readonly<Record<string, string>>) => (file: string) =>
  contents[file.replace("/sys/fs/cgroup/", "")] ?? "";

test.each([
  ["no control group", {}, cores],
  ["half a CPU", { "cpu.max": "50000 100000\n" }, 0.5],
  ["no limit", { "cpu.max": "max 100000\n" }, cores],
  ["more than there are", { "cpu.max": "100000000 100000\n" }, cores],
  ["half a CPU, v1", { "cpu/cpu.cfs_quota_us": "25000\n", "cpu/cpu.cfs_period_us": "50000\n" }, 0.5],
  ["no limit, v1", { "cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n" }, cores],
  ["what nobody expects", { "cpu.max": "many\n" }, cores],
])("CPUs with %s", (_, contents, cpus) => {
  expect(availableCpus(files(contents))).toBe(cpus);
});

test("CPUs of this machine", () => {
  expect(availableCpus()).toBeGreaterThan(0);
  expect(availableCpus()).toBeLessThanOrEqual(cores);
});

test("a process that works uses CPU, memory and its event loop", () => {
  const usage = new ProcessUsage();
  const startedMs = performance.now();
  while (performance.now() - startedMs < 20);
  const { cpu, memory, eventLoop } = usage.measure(performance.now() - startedMs);
  expect(cpu).toBeGreaterThan(0);
  expect(memory).toBeGreaterThan(0);
  expect(memory).toBeLessThanOrEqual(1);
  expect(eventLoop).toBeGreaterThan(0);
  expect(eventLoop).toBeLessThanOrEqual(1);
});
