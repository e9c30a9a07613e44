import type { PickInfo } from "./picker.ts";

/** An RPC that is to go elsewhere: policies that heed keys go on to the next endpoint of its key. */
export class Avoiding implements PickInfo {
  readonly path: string;
  readonly avoid: ReadonlySet<string>;
  readonly #info: PickInfo;

  constructor(info: PickInfo, key: string) {
    this.path = info.path;
    this.avoid = new Set([...(info.avoid ?? []), key]);
    this.#info = info;
  }

  get contextValues(): PickInfo["contextValues"] {
    return this.#info.contextValues;
  }

  get message(): unknown {
    return this.#info.message;
  }

  header(name: string): string | undefined {
    return this.#info.header?.(name);
  }
}
