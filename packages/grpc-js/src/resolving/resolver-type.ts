import { AsyncLocalStorage } from "node:async_hooks";
import type { Clock, Random } from "@evenkeel/core";
import type { ChannelOptions, experimental } from "@grpc/grpc-js";
import { expectResolver, noteResolver } from "./proxy-warning.ts";
import { Resolution, type ResolverListener } from "./resolution.ts";
import { serviceConfigFault } from "./service-config.ts";
import { defaultAuthority, type TargetType, textOf } from "./target-type.ts";

/** What `experimental.registerResolver()` takes beside a scheme. */
export type ResolverType = Parameters<typeof experimental.registerResolver>[1];

export interface ResolverTypeContext {
  readonly clock: Clock;
  readonly random: Random;
  /** The policies that a service config may name thanks to us. */
  readonly policyNames: readonly string[];
}

/** Resolvers and connections outlive the RPC that they begin with, and are not to keep, nor to show, what is stored for it. */
const outside = AsyncLocalStorage.snapshot();

/** A class of resolvers for grpc-js. What is wrong with a target or its service config is the status of its RPCs. */
export function createResolverType(type: TargetType, context: ResolverTypeContext): ResolverType {
  return class implements experimental.Resolver {
    readonly #uri: experimental.GrpcUri;
    readonly #listener: ResolverListener;
    readonly #channelOptions: ChannelOptions;
    #resolution: Resolution | undefined;

    static getDefaultAuthority(uri: experimental.GrpcUri): string {
      expectResolver(uri);
      return defaultAuthority(type, uri);
    }

    constructor(uri: experimental.GrpcUri, listener: ResolverListener, options: ChannelOptions) {
      noteResolver(uri);
      this.#uri = uri;
      this.#listener = listener;
      this.#channelOptions = options;
    }

    updateResolution(): void {
      outside(() => {
        if (this.#resolution === undefined) this.#resolution = this.#start();
        else this.#resolution.askAgain();
      });
    }

    destroy(): void {
      this.#resolution?.end();
      this.#resolution = undefined;
    }

    #start(): Resolution {
      const uri = this.#uri;
      return new Resolution({
        ...context,
        text: textOf(uri),
        listener: this.#listener,
        fault: serviceConfigFault(this.#channelOptions, context.policyNames),
        parse: () => type.parse(uri),
      });
    }
  };
}
