import {
  type Endpoint,
  formatAddress,
  parseTarget,
  type Resolver,
  type ResolverUpdate,
  systemClock,
  systemRandom,
} from "@evenkeel/core";
import { type KubernetesOptions, kubernetes } from "../src/index.ts";

/** A resolver, and what it tells. */
export class Watched implements Disposable {
  readonly updates: ResolverUpdate[] = [];
  readonly #resolver: Resolver;

  constructor(target: string, options: KubernetesOptions) {
    const context = { clock: systemClock, random: systemRandom };
    this.#resolver = kubernetes(options)(parseTarget(target), (update) => this.updates.push(update), context);
  }

  /** Those of the last set. */
  get endpoints(): readonly Endpoint[] {
    const update = this.updates.findLast(({ kind }) => kind === "endpoints");
    return update?.kind === "endpoints" ? update.endpoints : [];
  }

  /** The last set's, in order. */
  get addresses(): readonly string[] {
    return this.endpoints.flatMap(({ addresses }) => addresses.map(formatAddress)).sort();
  }

  /** The last update in short: the addresses of a set, or the text of an error. */
  get last(): readonly string[] | string | undefined {
    const update = this.updates.at(-1);
    if (update === undefined) return undefined;
    return update.kind === "endpoints" ? this.addresses : update.error.message;
  }

  [Symbol.dispose](): void {
    this.#resolver.close();
  }
}
