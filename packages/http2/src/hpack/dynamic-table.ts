import { type HeaderField, sizeOfField } from "./header-field.ts";

/** The latest fields that the peer told to keep (RFC 7541, sections 2.3.2 and 4). */
export class DynamicTable {
  /** A ring, of a power of two. */
  #slots: (HeaderField | undefined)[] = new Array(8).fill(undefined);
  /** The slot of the next entry. */
  #next = 0;
  #length = 0;
  #size = 0;
  #maxSize: number;

  constructor(maxSize: number) {
    this.#maxSize = maxSize;
  }

  get length(): number {
    return this.#length;
  }

  /** Of all entries, as `sizeOfField` counts. */
  get size(): number {
    return this.#size;
  }

  /** 0 is the newest; `undefined` where there is none. */
  at(index: number): HeaderField | undefined {
    return index < this.#length ? this.#slots[(this.#next - 1 - index) & (this.#slots.length - 1)] : undefined;
  }

  /** Evicts the oldest to make room. A field above the maximum leaves an empty table (RFC 7541, section 4.4). */
  add(field: HeaderField): void {
    const size = sizeOfField(field);
    this.#evictDownTo(this.#maxSize - size);
    if (size > this.#maxSize) return;
    if (this.#length === this.#slots.length) this.#grow();
    this.#slots[this.#next] = field;
    this.#next = (this.#next + 1) & (this.#slots.length - 1);
    this.#length++;
    this.#size += size;
  }

  resize(maxSize: number): void {
    this.#maxSize = maxSize;
    this.#evictDownTo(maxSize);
  }

  #evictDownTo(size: number): void {
    while (this.#size > size && this.#length > 0) {
      const oldest = (this.#next - this.#length) & (this.#slots.length - 1);
      this.#size -= sizeOfField(this.#slots[oldest] as HeaderField);
      this.#slots[oldest] = undefined;
      this.#length--;
    }
  }

  /** Called when the ring is full: its oldest entry is at `#next`. */
  #grow(): void {
    const entries = [...this.#slots.slice(this.#next), ...this.#slots.slice(0, this.#next)];
    this.#next = entries.length;
    this.#slots = [...entries, ...new Array(entries.length).fill(undefined)];
  }
}
