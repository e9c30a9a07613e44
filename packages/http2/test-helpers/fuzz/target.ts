import { ProtocolError } from "../../src/frames/protocol-error.ts";
import { HpackError } from "../../src/hpack/hpack-error.ts";
import type { Random } from "./random.ts";

/** What one input is fed to. */
export interface FuzzTarget {
  readonly name: string;
  /** Of a hundred inputs. */
  readonly share: number;
  /** Makes an input and feeds it. Returns the class of what came of it; throws where that is a bug. */
  run(random: Random): string | Promise<string>;
}

/** The class of an error that a peer's bytes may cause; throws all others. */
export function classOf(error: unknown): string {
  if (error instanceof ProtocolError || error instanceof HpackError) return error.name;
  throw error;
}

export function expectThat(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(what);
}
