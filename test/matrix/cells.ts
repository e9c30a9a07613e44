export const serverNames = [
  "connect-node-h2c",
  "connect-node-tls",
  "fastify-h2c",
  "grpc-js-h2c",
  "grpc-js-tls",
  "connect-node-h1",
  "fastify-h1",
] as const;

export type ServerName = (typeof serverNames)[number];

export const clientNames = [
  "evenkeel-connect",
  "evenkeel-grpc",
  "evenkeel-grpc-js",
  "grpc-js-rr",
  "connect-node-grpc",
  "evenkeel-connect-h1",
  "connect-node-h1",
] as const;

export type ClientName = (typeof clientNames)[number];

/** Whose calls a client makes: what is lost is lost by it. */
export const callers: Readonly<Record<ClientName, "evenkeel" | "grpc-js" | "connect-node">> = {
  "evenkeel-connect": "evenkeel",
  "evenkeel-grpc": "evenkeel",
  "evenkeel-grpc-js": "grpc-js",
  "grpc-js-rr": "grpc-js",
  "connect-node-grpc": "connect-node",
  "evenkeel-connect-h1": "evenkeel",
  "connect-node-h1": "connect-node",
};

const http2Clients: readonly ClientName[] = ["evenkeel-connect", "evenkeel-grpc", "grpc-js-rr", "connect-node-grpc"];
const grpcJsClients: readonly ClientName[] = ["evenkeel-grpc", "evenkeel-grpc-js", "grpc-js-rr"];
const http1Clients: readonly ClientName[] = ["evenkeel-connect-h1", "connect-node-h1"];

export interface ServerEntry {
  readonly library: "connect-node" | "fastify" | "grpc-js";
  readonly tls: boolean;
  /** Those that it is tried with. */
  readonly clients: readonly ClientName[];
}

export const servers: Readonly<Record<ServerName, ServerEntry>> = {
  "connect-node-h2c": { library: "connect-node", tls: false, clients: [...http2Clients, "evenkeel-grpc-js"] },
  "connect-node-tls": { library: "connect-node", tls: true, clients: [...http2Clients, "evenkeel-grpc-js"] },
  "fastify-h2c": { library: "fastify", tls: false, clients: http2Clients },
  "grpc-js-h2c": { library: "grpc-js", tls: false, clients: grpcJsClients },
  "grpc-js-tls": { library: "grpc-js", tls: true, clients: grpcJsClients },
  "connect-node-h1": { library: "connect-node", tls: false, clients: http1Clients },
  "fastify-h1": { library: "fastify", tls: false, clients: http1Clients },
};

/** `none` is for comparison: what a client loses without any event is not the event's. */
export const eventNames = ["max-age", "rolling", "none"] as const;

export type EventName = (typeof eventNames)[number];

export const retireNames = ["two-phase", "one-phase"] as const;

export type RetireName = (typeof retireNames)[number];

/** A cluster of its own: pods that are alike. */
export interface Setup {
  readonly server: ServerName;
  readonly event: EventName;
  readonly retire: RetireName;
}

/** One client of such a cluster. */
export interface Cell extends Setup {
  readonly client: ClientName;
}

/** What the command line chooses from each dimension. */
export interface Choice {
  readonly servers: readonly ServerName[];
  readonly clients: readonly ClientName[];
  readonly events: readonly EventName[];
  readonly retires: readonly RetireName[];
}

/** The clusters of a choice, each with its cells: those of the clients that its server is tried with. */
export function setupsOf(choice: Choice): readonly (readonly [Setup, readonly Cell[]])[] {
  return choice.servers.flatMap((server) => {
    const own = choice.clients.filter((client) => servers[server].clients.includes(client));
    if (own.length === 0) return [];
    return choice.events.flatMap((event) =>
      choice.retires.map((retire) => {
        const setup = { server, event, retire };
        return [setup, own.map((client) => ({ ...setup, client }))] as const;
      }),
    );
  });
}
