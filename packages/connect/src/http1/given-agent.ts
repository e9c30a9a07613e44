import { type Agent, request as httpRequest, type RequestOptions } from "node:http";
import { request as httpsRequest } from "node:https";
import { isIP } from "node:net";
import { checkServerIdentity } from "node:tls";
import type { Address, Target } from "@evenkeel/core";
import { connectEvent, setReferenced } from "@evenkeel/http2";
import type { Http1NodeOptions } from "./node-options.ts";
import type { Route } from "./route.ts";

/** Requests through the user's agent, which may serve other addresses and other clients as well. */
export function givenAgent(agent: Agent, address: Address, target: Target, nodeOptions: Http1NodeOptions): Route {
  const { host, port } = address;
  const isTls = target.scheme === "https";
  const fixed = { ...(isTls ? tlsOptions(target, address) : {}), ...nodeOptions, agent, host, port };
  const request = (options: RequestOptions) => (isTls ? httpsRequest : httpRequest)({ ...fixed, ...options });
  let giveUp = (): void => {};
  return {
    address,
    get maxStreams() {
      return agent.maxSockets ?? Number.POSITIVE_INFINITY; // it may be something like an agent
    },
    open(done) {
      // never sent, as it is not ended: whatever the agent does to connect, it does it for this one too
      const probe = request({ method: "HEAD" });
      giveUp = () => probe.destroy();
      let isOver = false;
      const finish = (error?: Error): void => {
        if (isOver) return;
        isOver = true;
        giveUp();
        done(error);
      };
      probe.on("error", finish);
      probe.on("close", () => finish(new Error("the agent made no connection")));
      probe.on("socket", (socket) => {
        setReferenced(socket, false);
        const event = connectEvent(socket);
        if (event !== undefined) socket.once(event, () => finish());
        else if (socket.writable) finish();
      });
    },
    request,
    close: () => giveUp(),
  };
}

/** TLS verifies the server name; only an address, which is none, takes a check that keeps node from reusing sockets. */
function tlsOptions(target: Target, address: Address): Http1NodeOptions {
  if (isIP(target.host) === 0) return { servername: target.host };
  if (target.host === address.host) return { servername: "" };
  return {
    servername: "",
    checkServerIdentity: (_host, certificate) => checkServerIdentity(target.host, certificate),
  };
}
