import { HpackDecoder } from "../../src/hpack/decoder.ts";
import { encodeHeaderBlock } from "../../src/hpack/encoder.ts";
import { type HeaderField, sizeOfField } from "../../src/hpack/header-field.ts";
import { blocks } from "./corpus.ts";
import { mutate } from "./mutate.ts";
import type { Random } from "./random.ts";
import { classOf, expectThat, type FuzzTarget } from "./target.ts";

const maxHeaderListSize = 16_384;

/** What the decoder takes is within its limit, and the encoder writes it so that it is decoded to the same. */
export const hpackTarget: FuzzTarget = {
  name: "hpack",
  share: 30,
  run(random: Random): string {
    const decoder = new HpackDecoder({ maxHeaderListSize });
    let outcome = "ok";
    try {
      for (const block of mutate(blocks, random)) {
        const decoded = decoder.decode(block);
        if (decoded.tooLarge) {
          expectThat(decoded.size > maxHeaderListSize, "refused, though it is within the limit");
          outcome = "too large";
        } else {
          expectThat(sizeOf(decoded.fields) === decoded.size, "a list of another size than it says");
          expectThat(decoded.size <= maxHeaderListSize, "a list above the limit");
          expectRoundTrip(decoded.fields);
        }
      }
    } catch (error) {
      return classOf(error);
    }
    return outcome;
  },
};

function expectRoundTrip(fields: readonly HeaderField[]): void {
  const again = new HpackDecoder({ maxHeaderListSize }).decode(encodeHeaderBlock(fields));
  expectThat(!again.tooLarge, "too large when it is encoded again");
  expectThat(again.fields.length === fields.length, "another number of fields when they are encoded again");
  for (const [index, [name, value]] of fields.entries()) {
    const field = again.fields[index];
    expectThat(field?.[0] === name && field[1] === value, `another field when ${name} is encoded again`);
  }
}

function sizeOf(fields: readonly HeaderField[]): number {
  return fields.reduce((size, field) => size + sizeOfField(field), 0);
}
