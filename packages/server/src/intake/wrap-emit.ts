import type { EventEmitter } from "node:events";

/** Calls the listeners of an event. */
export type Emit = (...args: unknown[]) => boolean;

/** By the event's name, what stands between its emission and its listeners. */
export interface Arounds {
  readonly [event: string]: (emit: Emit, ...args: never[]) => boolean;
}

/** Puts functions between the emission of events and their listeners, present and future. */
export function wrapEmit(emitter: EventEmitter, arounds: Arounds): void {
  const around = new Map<string | symbol, Arounds[string]>(Object.entries(arounds));
  const { emit } = emitter;
  emitter.emit = function (this: EventEmitter, name: string | symbol, ...args: unknown[]): boolean {
    const wrapped = around.get(name);
    if (wrapped === undefined) return emit.call(this, name, ...args);
    return wrapped((...passed) => emit.call(this, name, ...passed), ...(args as never[]));
  };
}
