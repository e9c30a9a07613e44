import type { Resolver, ResolverContext, ResolverListener, ResolverUpdate, Target } from "@evenkeel/core";
import type { experimental } from "@grpc/grpc-js";
import type { TargetType } from "../src/resolving/target-type.ts";

/** A resolver of core that says what the test has it say, behind targets `scripted:///…`. */
export class ScriptedResolver implements TargetType {
  readonly scheme = "scripted";
  /** The targets that it was started for. */
  readonly started: Target[] = [];
  closed = 0;
  /** How often it was asked to look again. */
  hints = 0;
  /** Said before the factory returns. */
  first: readonly ResolverUpdate[] = [];
  /** What is wrong with the target. */
  malformed: Error | undefined;
  /** Thrown by the factory. */
  fault: unknown;
  onStart: () => void = () => {};
  context: ResolverContext | undefined;
  #listener: ResolverListener = () => {};

  parse({ path }: experimental.GrpcUri): ReturnType<TargetType["parse"]> {
    if (this.malformed !== undefined) throw this.malformed;
    const target = { text: `scripted:///${path}`, scheme: "http", host: path, port: 80, authority: path } as const;
    return { target, resolver: () => (parsed, listener, context) => this.#start(parsed, listener, context) };
  }

  say(...updates: readonly ResolverUpdate[]): void {
    for (const update of updates) this.#listener(update);
  }

  #start(target: Target, listener: ResolverListener, context: ResolverContext): Resolver {
    this.started.push(target);
    this.context = context;
    this.#listener = listener;
    this.onStart();
    if (this.fault !== undefined) throw this.fault;
    this.say(...this.first);
    return {
      resolveNow: () => {
        this.hints++;
      },
      close: () => {
        this.closed++;
      },
    };
  }
}
