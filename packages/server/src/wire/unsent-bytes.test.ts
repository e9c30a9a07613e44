import { setImmediate as turn } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { connectRaw, until } from "../../test-helpers/raw-client.ts";
import { createServer, listen } from "../../test-helpers/servers.ts";
import { intakeFrom } from "../intake/intake.ts";
import type { Wire } from "./wire.ts";

test.each([
  { name: "h2c", secure: false },
  { name: "TLS", secure: true },
])(
  "over $name, unsent bytes stand still while the client does not read, and fall to 0 when it does",
  async ({ secure }) => {
    const size = 24 * 2 ** 20;
    const server = createServer(secure, (_, response) => response.end(Buffer.alloc(size)));
    let wire: Wire | undefined;
    intakeFrom(server, {
      onHttp2: (_protocol, _session, _socket, its) => {
        wire = its;
      },
      admits: () => true,
      onHttp1: () => {},
      onHttp1Request: () => {},
      onHttp1Upgrade: () => {},
      onHandshake: () => () => {},
    });
    const client = await connectRaw(await listen(server, onTestFinished), secure);
    onTestFinished(() => client.end());
    client.begin(2 ** 30);
    await until("SETTINGS", () => client.of("SETTINGS").length >= 2);
    const unsent = () => wire?.unsentBytes ?? Number.NaN;
    await until("nothing is unsent", () => unsent() === 0);

    client.socket.pause();
    const stream = client.request("/");
    await until("the kernel's buffers are full", () => unsent() > 0);
    let stuck = 0;
    for (let last = 0; stuck < 50; await turn()) {
      stuck = unsent() === last ? stuck + 1 : 0;
      last = unsent();
    }
    const whenStuck = unsent();
    expect(whenStuck).toBeGreaterThan(0);

    client.socket.resume();
    await until("progress", () => unsent() !== whenStuck);
    await until("the response", () => client.isComplete(stream), 20_000);
    await until("nothing is unsent", () => unsent() === 0);
    expect(client.dataOf(stream).length).toBe(size);
  },
);
