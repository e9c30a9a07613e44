// The servers of other libraries, each over the protocols that it speaks.
import type { Children } from "../children.ts";
import type { ClientKind, Protocol } from "../clients.ts";
import { type Program, Server } from "../program.ts";
import type { Suite } from "../suite.ts";
import { checkMessages, checkRpcs, kill, restart, retirement, streamLimit } from "./protocol.ts";

export function serverSuites(
  program: Program,
  protocols: readonly Protocol[],
  client: ClientKind,
  children: Children,
): readonly Suite[] {
  return [
    ...protocols.map((protocol) => plainSuite(program, protocol, client, children)),
    ...protocols.map((protocol) => tlsSuite(program, protocol, client, children)),
  ];
}

function plainSuite(program: Program, protocol: Protocol, client: ClientKind, children: Children): Suite {
  return {
    group: "servers",
    peer: `${program.name}, ${protocol}`,
    async run(check) {
      const server = await Server.start(children, program, { plain: 0, limited: 0, retiring: 0 });
      const route = { client, protocol, tls: false };
      const start = (port: number): Promise<Server> => Server.start(children, program, { plain: port });
      try {
        const { sendsTrailersOnly } = program;
        const plain = { ...route, port: server.port("plain") };
        await checkRpcs({ server, sendsTrailersOnly, listener: "plain", route: plain }, check);
        await check("stream limit", streamLimit({ ...route, port: server.port("limited") }, 2));
        await check("GOAWAY", retirement(server, { ...route, port: server.port("retiring") }), {
          timeoutMs: 40_000,
        });
        await check("restart", restart(start, route));
        await check("kill", kill(start, route));
      } finally {
        await server.child.kill();
      }
    },
  };
}

function tlsSuite(program: Program, protocol: Protocol, client: ClientKind, children: Children): Suite {
  return {
    group: "servers",
    peer: `${program.name}, ${protocol}, TLS`,
    async run(check) {
      const server = await Server.start(children, program, { tls: 0 });
      const route = { client, protocol, tls: true, port: server.port("tls") };
      try {
        await checkMessages({ server, sendsTrailersOnly: program.sendsTrailersOnly, listener: "tls", route }, check);
      } finally {
        await server.child.kill();
      }
    },
  };
}
