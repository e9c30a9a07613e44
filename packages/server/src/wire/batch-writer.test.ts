import { seededRandom } from "@evenkeel/testing";
import { expect, test } from "vitest";
import { BatchWriter } from "./batch-writer.ts";

type Callback = (error?: Error | null) => void;

/** Takes a piece when it is told to, and looks at it only then: whoever reuses its memory too early is found out. */
function createSink() {
  const waiting: { bytes: Uint8Array; callback: Callback }[] = [];
  const taken: Buffer[] = [];
  return {
    waiting,
    taken,
    write: (bytes: Uint8Array, callback: Callback) => void waiting.push({ bytes, callback }),
    take(error?: Error): void {
      const piece = waiting.shift();
      if (piece === undefined) throw new Error("the sink has nothing");
      taken.push(Buffer.from(piece.bytes));
      piece.callback(error);
    },
  };
}

const bytes = (text: string): Buffer => Buffer.from(text);

test("what is written between cork and uncork goes as one", () => {
  const sink = createSink();
  const writer = new BatchWriter(sink);
  const done: string[] = [];
  writer.cork();
  for (const text of ["one ", "two ", "", "three"]) writer.write(bytes(text), () => done.push(text));
  expect(writer.bytesLeft).toBe(13);
  expect(sink.waiting).toEqual([]);
  writer.uncork();
  expect(writer.bytesLeft).toBe(0);
  expect(done).toEqual([]);
  sink.take();
  expect(sink.taken.map(String)).toEqual(["one two three"]);
  expect(done).toEqual(["one ", "two ", "", "three"]);
});

test("what is written alone goes at once, uncopied, and what comes in the meantime goes together", () => {
  const sink = createSink();
  const writer = new BatchWriter(sink);
  const alone = bytes("alone");
  writer.write(alone);
  writer.write(bytes("with"));
  writer.write(bytes(" others"));
  expect(sink.waiting.map((piece) => piece.bytes)).toEqual([alone]);
  expect(sink.waiting[0]?.bytes).toBe(alone);
  sink.take();
  sink.take();
  expect(sink.taken.map(String)).toEqual(["alone", "with others"]);
});

test("an empty write is a write", () => {
  const sink = createSink();
  const writer = new BatchWriter(sink);
  let done = 0;
  writer.cork();
  writer.write(bytes(""), () => done++);
  writer.write(bytes(""), () => done++);
  writer.uncork();
  sink.take();
  expect(done).toBe(2);
  expect(sink.waiting).toEqual([]);
});

test("the sink has one piece at a time, of limited size, until it is flushed", () => {
  const sink = createSink();
  const writer = new BatchWriter(sink);
  // after the first piece as many bytes are left as the chunk has that it was cut from
  const texts = ["a".repeat(300_000), "b".repeat(256 * 1_024)];
  writer.cork();
  for (const text of texts) writer.write(Buffer.from(text));
  writer.uncork();
  expect(sink.waiting.length).toBe(1);
  sink.take();
  expect(sink.waiting.length).toBe(1);
  writer.flush();
  expect(writer.bytesLeft).toBe(0);
  while (sink.waiting.length > 0) sink.take();
  expect(Math.max(...sink.taken.map((piece) => piece.length))).toBe(256 * 1_024);
  expect(Buffer.concat(sink.taken).toString() === texts.join("")).toBe(true);
});

test("at its end what is left is given, and what comes later goes nowhere", () => {
  const sink = createSink();
  const writer = new BatchWriter(sink);
  const done: string[] = [];
  for (const text of ["first", "second"]) writer.write(bytes(text), () => done.push(text));
  writer.end();
  expect(sink.waiting.length).toBe(2);
  writer.write(bytes("late"), () => done.push("late"));
  writer.end();
  sink.take();
  sink.take();
  expect(sink.taken.map(String)).toEqual(["first", "second"]);
  expect(done).toEqual(["first", "second"]);
  expect(sink.waiting).toEqual([]);
  expect(writer.bytesLeft).toBe(0);
});

test("the sink's error reaches all that it has not taken, once for what shares a callback", () => {
  const sink = createSink();
  const writer = new BatchWriter(sink);
  const errors: unknown[] = [];
  const shared: Callback = (error) => errors.push(error);
  writer.cork();
  for (let index = 0; index < 3; index++) writer.write(Buffer.alloc(200_000), shared);
  writer.write(bytes("of another"), (error) => errors.push(error));
  writer.write(bytes("of nobody"));
  writer.uncork();
  sink.take();
  expect(errors).toEqual([undefined]);
  const broken = new Error("broken");
  sink.take(broken);
  expect(errors).toEqual([undefined, broken, broken]);
  expect(writer.bytesLeft).toBe(0);
});

test("the memory of large chunks is freed when they have been copied, and not before", () => {
  const sink = createSink();
  const writer = new BatchWriter(sink);
  const chunks = [Buffer.allocUnsafeSlow(10_000), Buffer.allocUnsafeSlow(300_000), Buffer.allocUnsafeSlow(10_000)];
  writer.cork();
  for (const chunk of chunks) writer.write(chunk);
  expect(chunks.map((chunk) => chunk.length)).toEqual([10_000, 300_000, 10_000]);
  writer.uncork();
  expect(chunks.map((chunk) => chunk.length)).toEqual([0, 300_000, 10_000]);
  sink.take();
  expect(chunks.map((chunk) => chunk.length)).toEqual([0, 0, 0]);
});

test("no byte is lost, changed or moved, whatever is written when, and every callback comes once and in order", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = seededRandom(seed);
    const below = (limit: number): number => Math.floor(random() * limit);
    const sink = createSink();
    const writer = new BatchWriter(sink);
    const written: Buffer[] = [];
    const done: number[] = [];
    const write = (): void => {
      const chunk = Buffer.alloc(below([1, 30, 5_000, 20_000, 600_000][below(5)] ?? 0), below(256));
      const index = written.push(Buffer.from(chunk)) - 1;
      writer.write(chunk, () => done.push(index));
    };
    for (let step = 0; step < 60; step++) {
      const action = below(8);
      if (action < 3) write();
      else if (action < 5) {
        writer.cork();
        for (let count = below(30); count > 0; count--) write();
        writer.uncork();
      } else if (action === 5) writer.flush();
      else if (sink.waiting.length > 0) sink.take();
    }
    while (sink.waiting.length > 0) sink.take();
    expect(Buffer.concat(sink.taken).equals(Buffer.concat(written)), `seed ${seed}`).toBe(true);
    expect(done).toEqual(written.map((_, index) => index));
  }
});
