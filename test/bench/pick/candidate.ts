import { type Candidate, createEndpoint, type Endpoint, type PickInfo } from "@evenkeel/core";

/** What is counted where the connection of an endpoint counts it. */
class Streams {
  #open = 0;

  get rpcs(): number {
    return this.#open;
  }

  add(change: number): void {
    this.#open += change;
  }
}

class FakeConnection {
  readonly #streams: Streams;

  constructor(streams: Streams) {
    this.#streams = streams;
  }

  get inFlight(): number {
    return this.#streams.rpcs;
  }
}

/** As far from its count of RPCs as the pool's members are from theirs: what a pick reads is not all in one place. */
export class FakeMember implements Candidate {
  readonly #endpoint: Endpoint;
  readonly #phase: { readonly kind: "idle" } | { readonly kind: "ready"; readonly connection: FakeConnection };
  readonly #retired: FakeConnection[] = [];
  readonly #streams = new Streams();

  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint;
    this.#phase = { kind: "ready", connection: new FakeConnection(this.#streams) };
  }

  get endpoint(): Endpoint {
    return this.#endpoint;
  }

  get inFlight(): number {
    let sum = this.#phase.kind === "ready" ? this.#phase.connection.inFlight : 0;
    for (const { inFlight } of this.#retired) sum += inFlight;
    return sum;
  }

  /** An RPC begins, or ends. */
  add(change: 1 | -1): void {
    this.#streams.add(change);
  }
}

export function fakeEndpoint(index: number, weight: number): Endpoint {
  const host = `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`;
  return createEndpoint({ key: `uid-${index}:8080`, podName: `orders-${index}`, host, port: 8080, weight });
}

/** An RPC whose key is its own. */
export class FakeRpc implements PickInfo {
  readonly path = "/demo.v1.DemoService/Call";
  readonly #user: string;

  constructor(number: number) {
    this.#user = `user-${number.toString(36)}`;
  }

  header(name: string): string | undefined {
    return name === "x-user-id" ? this.#user : undefined;
  }
}
