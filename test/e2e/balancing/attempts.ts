import { type Channel, subscribe } from "@evenkeel/core";
import { onTestFinished } from "vitest";

/** How many attempts each pod was given and has ended, by its name, until the test ends. */
export function countAttempts(channel: Channel): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  onTestFinished(
    subscribe("attempt.end", ({ target, endpoint: { podName = "?" } }) => {
      if (target === channel.target.text) counts.set(podName, (counts.get(podName) ?? 0) + 1);
    }),
  );
  return counts;
}
