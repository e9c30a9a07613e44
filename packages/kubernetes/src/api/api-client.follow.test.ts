import { Readable } from "node:stream";
import { describe, expect, test } from "vitest";
import { errorOf, follow, never, start } from "../../test-helpers/api-client.ts";
import { closeOf } from "../../test-helpers/api-server.ts";
import type { FollowListener } from "./api-client.ts";
import { ApiError } from "./api-error.ts";

describe("a response that is followed", () => {
  test("opens with its headers, tells of what arrives, and ends in good order", async () => {
    const { api, client } = await start();
    const { opened, next, ended, batches } = follow(client);
    const request = await api.request(1);
    request.open();
    await opened;
    for (const number of [1, 2]) {
      const heard = next();
      request.line({ number });
      await heard;
    }
    request.response.end();
    await ended;
    expect(batches).toEqual([[{ number: 1 }], [{ number: 2 }]]);
  });

  test("tells of what arrives at a time at a time", async () => {
    const { api, client } = await start();
    const { ended, batches } = follow(client);
    (await api.request(1)).response.end('{"number":1}\n{"number":2}\n\n{"number":3}\n');
    await ended;
    expect(batches).toEqual([[{ number: 1 }, { number: 2 }, { number: 3 }]]);
  });

  test("may be cut anywhere, also within a character", async () => {
    const objects = [{ text: "süß 🐳" }, { text: "\u2028 \u0000" }, { text: "plain" }];
    const bytes = Buffer.from(objects.map((object) => `${JSON.stringify(object)}\n`).join(""));
    const { api, client } = await start();
    const { ended, batches } = follow(client);
    const { open, response, socket } = await api.request(1);
    open();
    socket.setNoDelay(true);
    for (const byte of bytes) {
      response.write(Buffer.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
    response.end();
    await ended;
    expect(batches.flat()).toEqual(objects);
    expect(batches.length).toBeGreaterThan(1);
  });

  test("gives up a line that does not end", async () => {
    const { api, client } = await start();
    const { ended, batches } = follow(client);
    const { response } = await api.request(1);
    Readable.from(Array.from({ length: 20 }, () => "x".repeat(2 ** 20))).pipe(response);
    expect((await errorOf(ended)).message).toContain("a line of a watch is longer than");
    expect(batches).toEqual([]);
  });

  test("fails with a line that is no JSON, and says nothing of what came with it", async () => {
    const { api, client } = await start();
    const { ended, batches } = follow(client);
    (await api.request(1)).response.write('{"number":1}\nnonsense\n');
    expect((await errorOf(ended)).message).toBe("the API server sent something that is no JSON: nonsense");
    expect(batches).toEqual([]);
    await closeOf((await api.request(1)).socket);
  });

  test("fails when it breaks, and tells nothing of a line that was not whole", async () => {
    const { api, client } = await start();
    const { ended, next, batches } = follow(client);
    const { response, socket } = await api.request(1);
    const heard = next();
    response.write('{"number":1}\n{"number":2}');
    await heard;
    socket.destroy();
    expect((await errorOf(ended)).message).toMatch(/^the API server broke off its response: /);
    expect(batches).toEqual([[{ number: 1 }]]);
  });

  test("fails with what its listener throws, and is over", async () => {
    const { api, client } = await start();
    const error = new ApiError(410, "too old (410)");
    const listener: FollowListener = {
      opened() {},
      objects() {
        throw error;
      },
    };
    const ended = client.follow("/watch", listener, never);
    const { line, socket } = await api.request(1);
    line({});
    expect(await errorOf(ended)).toBe(error);
    await closeOf(socket);
  });

  test("is refused as any request is", async () => {
    const { api, client } = await start();
    const { ended } = follow(client);
    (await api.request(1)).json({ message: "Unauthorized" }, 401);
    expect(await errorOf(ended)).toMatchObject({ status: 401, message: "Unauthorized (401)" });
  });
});
