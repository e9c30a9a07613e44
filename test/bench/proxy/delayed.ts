import type { Socket } from "node:net";

/** Returns a function that writes to `to` what it is given, `delayMs` later. It holds as much as comes in that time. */
export function delayed(to: Socket, delayMs: number): (chunk: Buffer) => void {
  const waiting: { readonly chunk: Buffer; readonly due: number }[] = [];

  function release(): void {
    const now = performance.now();
    let count = 0;
    to.cork();
    for (const { chunk, due } of waiting) {
      if (due > now) break;
      to.write(chunk);
      count++;
    }
    to.uncork();
    waiting.splice(0, count);
    const next = waiting[0];
    if (next !== undefined && !to.destroyed) setTimeout(release, Math.ceil(next.due - now));
  }

  return (chunk) => {
    waiting.push({ chunk, due: performance.now() + delayMs });
    if (waiting.length === 1) setTimeout(release, delayMs);
  };
}
