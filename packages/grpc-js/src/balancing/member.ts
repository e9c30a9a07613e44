import { isDeepStrictEqual } from "node:util";
import { type Candidate, type Clock, describeEndpoint, type Endpoint } from "@evenkeel/core";
import { type ChannelOptions, connectivityState, experimental } from "@grpc/grpc-js";
import { toEndpoint } from "../resolving/endpoints.ts";
import { CallCount } from "./call-count.ts";

/** What a member needs of its load balancer. */
export interface MemberContext {
  readonly helper: experimental.ChannelControlHelper;
  readonly clock: Clock;
  /** Its state changed. */
  changed(member: Member, before: connectivityState): void;
}

/** An endpoint of the set, with its connection, which grpc-js's pick_first keeps (gRFC A61). */
export class Member implements Candidate {
  readonly calls: CallCount = new CallCount();
  readonly #leaf: experimental.LeafLoadBalancer;
  readonly #clock: Clock;
  #grpcEndpoint: experimental.Endpoint;
  #endpoint: Endpoint;
  #state: connectivityState = connectivityState.IDLE;
  #dialledAt: number;
  #dialMs = 0;
  #lastError: string | undefined;
  #isClosed = false;

  /** Nothing is dialled before `connect()`. */
  constructor(endpoint: experimental.Endpoint, context: MemberContext, options: ChannelOptions) {
    this.#clock = context.clock;
    this.#grpcEndpoint = endpoint;
    this.#endpoint = toEndpoint(endpoint);
    this.#dialledAt = this.#clock.now();
    const helper = experimental.createChildChannelControlHelper(context.helper, {
      // a pick_first that was closed may still come back to say so
      requestReresolution: () => {
        if (!this.#isClosed) context.helper.requestReresolution();
      },
      updateState: (state, _picker, error) => {
        if (this.#isClosed) return;
        const before = this.#state;
        this.#state = state;
        if (error !== null) this.#lastError = lastErrorIn(error);
        if (state === connectivityState.CONNECTING) this.#dialledAt = this.#clock.now();
        if (state === connectivityState.READY) this.#dialMs = this.#clock.now() - this.#dialledAt;
        context.changed(this, before);
      },
    });
    this.#leaf = new experimental.LeafLoadBalancer(endpoint, helper, options, "");
  }

  get endpoint(): Endpoint {
    return this.#endpoint;
  }

  get inFlight(): number {
    return this.calls.value;
  }

  get state(): connectivityState {
    return this.#state;
  }

  get isReady(): boolean {
    return this.#state === connectivityState.READY && !this.#isClosed;
  }

  get isDialling(): boolean {
    return this.#state === connectivityState.IDLE || this.#state === connectivityState.CONNECTING;
  }

  get dialMs(): number {
    return this.#dialMs;
  }

  /** Why it is not ready. */
  get failure(): string {
    return `${describeEndpoint(this.#endpoint)}: ${this.#lastError ?? "not connected"}`;
  }

  /** Takes what a later set says of it. */
  update(endpoint: experimental.Endpoint, options: ChannelOptions): void {
    const hasMoved = !isDeepStrictEqual(endpoint.addresses, this.#grpcEndpoint.addresses);
    this.#grpcEndpoint = endpoint;
    this.#endpoint = toEndpoint(endpoint);
    if (hasMoved) this.#leaf.updateEndpoint(endpoint, options);
  }

  /** Connects, also anew where the connection was lost. */
  connect(): void {
    this.#leaf.startConnecting();
  }

  /** Picks its connection, where it is ready. */
  pick(args: experimental.PickArgs): experimental.PickResult {
    return this.#leaf.getPicker().pick(args);
  }

  /** Ends its connection when the calls on it have ended. */
  close(): void {
    this.#isClosed = true;
    this.#leaf.destroy();
  }
}

/** The error of the connection, of what grpc-js's pick_first makes of it; none where it failed for another channel. */
function lastErrorIn(text: string): string | undefined {
  const error = /Last error: (.*?)\. Resolution note: /s.exec(text)?.[1] ?? text;
  return error === "null" ? undefined : error;
}
