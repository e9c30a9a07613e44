import { publish } from "../events.ts";
import type { Target } from "../target/target.ts";

const warned = new Set<string>();

/** Tells what a person should look at, by the process and an event: once in a process for each code and host. */
export function warnOnce(
  code: `EVENKEEL_${string}`,
  { host, text }: Pick<Target, "host" | "text">,
  message: string,
): void {
  const key = `${code} ${host}`;
  if (warned.has(key)) return;
  warned.add(key);
  process.emitWarning(message, { type: "EvenkeelWarning", code });
  publish("warning", { target: text, message });
}
