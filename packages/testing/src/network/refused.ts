import { connect } from "node:net";

/** A firewall may judge by the port: that of pods by default. */
const port = 8_080;

/** A lost packet is sent again after a second. */
const timeoutMs = 2_000;

/**
 * Dials `host`, in a namespace where nothing listens yet. Rejects with an `Error` unless it is refused, as the machine
 * would not hear of pods there either.
 */
export function checkRefused(host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let outcome = `heard nothing for ${timeoutMs} ms`;
    const socket = connect(port, host);
    // an answer that has come while this process was busy is read first
    const timer = setTimeout(() => setImmediate(() => socket.destroy()), timeoutMs);
    socket.on("connect", () => {
      outcome = "was accepted";
      socket.destroy();
    });
    socket.on("error", (error: NodeJS.ErrnoException) => {
      outcome = `got ${error.code ?? error.message}`;
    });
    socket.on("close", () => {
      clearTimeout(timer);
      if (outcome === "got ECONNREFUSED") return resolve();
      const advice =
        "does a firewall keep out what comes from devices ek-*? Let it in: iptables -I INPUT -i ek-+ -j ACCEPT";
      reject(new Error(`a dial to ${host}:${port} should have been refused, and ${outcome}: ${advice}`));
    });
  });
}
