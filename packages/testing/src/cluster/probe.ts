import { connect } from "node:net";
import { addAbortSignal } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type { Address } from "@evenkeel/core";

const periodMs = 20;

/**
 * Resolves once something accepts TCP connections at `address`, as a kubelet's tcpSocket probe finds out; the probe's
 * connection is closed at once. Rejects with the signal's reason when it is aborted before; a connection accepted at that very time wins.
 */
export async function untilAccepting(address: Address, signal: AbortSignal): Promise<void> {
  while (!(await accepts(address, signal))) {
    await sleep(periodMs, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}

function accepts(address: Address, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    let accepted = false;
    const socket = addAbortSignal(signal, connect(address.port, address.host));
    socket.on("connect", () => {
      accepted = true;
      socket.destroy();
    });
    socket.on("error", () => {});
    socket.on("close", () => resolve(accepted));
  });
}
