import type { Address } from "@evenkeel/core";
import { type AddressBlock, claimAddresses } from "../cluster/address-block.ts";

/** How a program is started. */
export interface PodCommand {
  readonly program: string;
  readonly args: readonly string[];
}

/** Where the pods of one cluster live, and how their clients get to them. */
export interface PodNetwork {
  /** What `port` of the Service is: that of the pods, where they have the same. */
  readonly port: number;
  /** An address for a new pod. Throws an `Error` when none is left. */
  take(): Address;
  /** What starts `command` in this network. The process is the program's: its id, its group and its signals. */
  inside(command: PodCommand): PodCommand;
  /**
   * The pod at `address` is about to be killed. Returns what has to settle before, or `undefined` when there is nothing
   * to wait for. Never rejects: what goes wrong is told by `close`.
   */
  sever(address: Address): Promise<void> | undefined;
  /** The pod at `address` has exited. */
  leave(address: Address): void;
  /** To be called when every pod has exited. Rejects with an `Error` when the network did not do what it should have. */
  close(): Promise<void>;
}

/** Pods on loopback addresses: when one ends, the machine refuses at once what comes for it. */
export class LoopbackNetwork implements PodNetwork {
  readonly #addresses: AddressBlock;

  private constructor(addresses: AddressBlock) {
    this.#addresses = addresses;
  }

  /** Rejects as `claimAddresses` does. */
  static async open(podAddresses: "own" | "shared" | undefined, port: number | undefined): Promise<LoopbackNetwork> {
    return new LoopbackNetwork(await claimAddresses(podAddresses, port));
  }

  get port(): number {
    return this.#addresses.port;
  }

  take(): Address {
    return this.#addresses.take();
  }

  inside(command: PodCommand): PodCommand {
    return command;
  }

  sever(): undefined {}

  leave(address: Address): void {
    this.#addresses.giveBack(address);
  }

  close(): Promise<void> {
    return this.#addresses.close();
  }
}
