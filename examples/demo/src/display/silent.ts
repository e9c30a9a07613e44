import type { Display } from "./display.ts";

/** Shows nothing. */
export const silent: Display = { intervalMs: 1_000, started() {}, event() {}, update() {}, finished() {} };
