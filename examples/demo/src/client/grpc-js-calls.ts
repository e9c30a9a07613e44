import { type Code, ConnectError } from "@connectrpc/connect";
import { formatAddress } from "@evenkeel/core";
import type { Cluster, Pod } from "@evenkeel/testing";
import { type Client, type MethodDefinition, type ServiceError, status } from "@grpc/grpc-js";
import { DemoService } from "../gen/demo/v1/demo_pb.ts";
import { definitionOf } from "../grpc-js/definition.ts";
import type { DemoOptions, Method } from "../options.ts";
import { type Attempt, timeoutMs } from "./client.ts";

type WorkMethod = MethodDefinition<{ readonly work: { readonly delayMs: number } }, { readonly pod: string }>;

const methods: Readonly<Record<Method, WorkMethod>> = definitionOf(DemoService);

/** What grpc-js says of a stream that was not processed, for which once is as often as it sends it again. */
const refused = "Stream refused by server";

interface Rpc extends Attempt {
  readonly endedAt: number;
}

/** The RPCs that a client of grpc-js sends, and what it tells of them. */
export class GrpcJsCalls {
  readonly #client: Client;
  readonly #method: WorkMethod;
  readonly #delayMs: number;
  readonly #podsByAddress = new Map<string, string>();
  readonly #forgetPods: () => void;
  /** Those that have ended, and were sent to a pod. */
  readonly #rpcs: Rpc[] = [];
  /** When the first RPC failed with its connection, by pod. */
  readonly #lostAt = new Map<string, number>();

  constructor(client: Client, { method, delayMs }: DemoOptions, cluster: Cluster) {
    this.#client = client;
    this.#method = methods[method];
    this.#delayMs = delayMs;
    const learn = ({ address, name }: Pod): void => void this.#podsByAddress.set(formatAddress(address), name);
    for (const pod of cluster.pods) learn(pod);
    this.#forgetPods = cluster.on(({ pod }) => learn(pod));
  }

  /** As in `DemoClient`; the error's message is grpc-js's own. */
  readonly send = (): Promise<string> => {
    const { path, requestSerialize, responseDeserialize } = this.#method;
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const at = performance.now();
    const request = { work: { delayMs: this.#delayMs } };
    const deadline = Date.now() + timeoutMs;
    const call = this.#client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      { deadline },
      (error, response) => {
        this.#ended(response?.pod ?? this.podAt(call.getPeer()), at, error);
        if (response !== undefined) resolve(response.pod);
        else reject(new ConnectError(error?.message ?? "", error?.code as number as Code));
      },
    );
    return promise;
  };

  /** The name of the pod that has, or had, this address; `undefined` where it is none of a pod. */
  podAt(address: string): string | undefined {
    return this.#podsByAddress.get(address);
  }

  get attempts(): readonly Attempt[] {
    return this.#rpcs;
  }

  /** Of the RPCs that have ended: grpc-js does not tell which pod one is at that is under way. */
  get inFlightAtLoss(): number {
    return this.#rpcs.filter(({ pod, at, endedAt }) => {
      const lostAt = this.#lostAt.get(pod);
      return lostAt !== undefined && at <= lostAt && lostAt <= endedAt;
    }).length;
  }

  close(): void {
    this.#forgetPods();
    this.#client.close();
  }

  #ended(pod: string | undefined, at: number, error: ServiceError | null): void {
    if (pod === undefined) return;
    const endedAt = performance.now();
    this.#rpcs.push({ pod, at, endedAt });
    const isLoss = error?.code === status.UNAVAILABLE && error.details !== refused;
    if (isLoss && !this.#lostAt.has(pod)) this.#lostAt.set(pod, endedAt);
  }
}
