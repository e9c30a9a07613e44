/** What ends when its reader is gone. */
export interface Abandonable {
  /** Nobody reads on. */
  leave(): void;
}

// Held weakly: what is over need not hear of it, and the stack of its error may hold the reader.
const readers = new FinalizationRegistry<WeakRef<Abandonable>>((read) => read.deref()?.leave());

/**
 * Has `read` end when `reader` was garbage collected: `createClient` hides a `break` from transports. It has to be held
 * by others, such as its connection, for as long as it is to end.
 */
export function leaveWhenCollected(reader: object, read: Abandonable): void {
  readers.register(reader, new WeakRef(read));
}
