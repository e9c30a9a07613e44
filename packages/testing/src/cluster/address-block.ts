import { createServer, type Server } from "node:net";
import { type Address, randomInt, systemRandom } from "@evenkeel/core";
import { addressOf, close, listen } from "./tcp.ts";

/** Where the pods of one cluster listen. Blocks that are open at the same time have no address in common. */
export interface AddressBlock {
  /** What `port` of the Service is: that of the pods, where they have the same. */
  readonly port: number;
  /** An address that no pod has had, or once there is none, the one that was given back first. */
  take(): Address;
  giveBack(address: Address): void;
  close(): Promise<void>;
}

/** How many blocks are tried before all count as taken. */
const attempts = 50;

/** Ports below those that systems choose for outgoing connections: Linux from 32 768, macOS from 49 152. */
const firstSharedPort = 20_000;
const sharedPorts = 250;
const sharedBlocks = 48;

/**
 * Claims a block for as long as it is open, by listening on its last address: another cluster, in whatever process,
 * fails to, and looks for another block.
 *
 * Rejects with an `Error` when there is no free block, and when `port` is given and pods have to share an address.
 */
export async function claimAddresses(
  podAddresses: "own" | "shared" | undefined,
  port: number | undefined,
): Promise<AddressBlock> {
  if (podAddresses === "own" || (podAddresses === undefined && (await canBindLoopbackNet()))) {
    return claimOwnAddresses(port);
  }
  if (port !== undefined) {
    throw new TypeError("port: pods that share 127.0.0.1 have a port each: leave it out");
  }
  return claimSharedAddress();
}

let loopbackNet: Promise<boolean> | undefined;

/** Whether more of 127.0.0.0/8 than 127.0.0.1 can be bound here; found out once. */
function canBindLoopbackNet(): Promise<boolean> {
  loopbackNet ??= claim("127.83.83.83", 0).then(
    async (server) => {
      await close(server);
      return true;
    },
    () => false,
  );
  return loopbackNet;
}

/** 127.x.y.1 to 127.x.y.253, all with the same port. */
async function claimOwnAddresses(port: number | undefined): Promise<AddressBlock> {
  let reason: unknown;
  for (let attempt = 0; attempt < attempts; attempt++) {
    const prefix = `127.${1 + randomInt(systemRandom, 254)}.${randomInt(systemRandom, 256)}`;
    try {
      const claimed = await claim(`${prefix}.254`, port ?? 0);
      const own = addressOf(claimed).port;
      const hosts = Array.from({ length: 253 }, (_, index) => ({ host: `${prefix}.${index + 1}`, port: own }));
      return new ClaimedBlock(claimed, own, hosts);
    } catch (error) {
      reason = error;
    }
  }
  throw new Error(`no free addresses for pods in 127.0.0.0/8${port === undefined ? "" : ` with port ${port}`}`, {
    cause: reason,
  });
}

/** 249 neighbouring ports of 127.0.0.1, each found free. */
async function claimSharedAddress(): Promise<AddressBlock> {
  let reason: unknown;
  const start = randomInt(systemRandom, sharedBlocks);
  for (let attempt = 0; attempt < sharedBlocks; attempt++) {
    const first = firstSharedPort + ((start + attempt) % sharedBlocks) * sharedPorts;
    let claimed: Server | undefined;
    try {
      claimed = await claim("127.0.0.1", first + sharedPorts - 1);
      const addresses = Array.from({ length: sharedPorts - 1 }, (_, index) => ({
        host: "127.0.0.1",
        port: first + index,
      }));
      for (const { host, port } of addresses) await close(await claim(host, port));
      return new ClaimedBlock(claimed, addressOf(claimed).port, addresses);
    } catch (error) {
      reason = error;
      if (claimed !== undefined) await close(claimed);
    }
  }
  throw new Error(`no ${sharedPorts} neighbouring ports of 127.0.0.1 are free for pods`, { cause: reason });
}

class ClaimedBlock implements AddressBlock {
  readonly port: number;
  readonly #claim: Server;
  readonly #free: Address[];

  constructor(claim: Server, port: number, addresses: Address[]) {
    this.port = port;
    this.#claim = claim;
    this.#free = addresses;
  }

  take(): Address {
    const address = this.#free.shift();
    if (address === undefined) throw new Error("every address of the cluster is in use by a pod");
    return address;
  }

  giveBack(address: Address): void {
    this.#free.push(address);
  }

  close(): Promise<void> {
    return close(this.#claim);
  }
}

async function claim(host: string, port: number): Promise<Server> {
  const server = createServer((socket) => socket.destroy());
  await listen(server, host, port);
  return server;
}
