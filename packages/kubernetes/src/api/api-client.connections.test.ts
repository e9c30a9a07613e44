import { Socket } from "node:net";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { clientAt, clientOf, errorOf, follow, never, start, startRaw } from "../../test-helpers/api-client.ts";
import { closeOf } from "../../test-helpers/api-server.ts";

describe("the end of a request by its signal", () => {
  test("comes before it began", async () => {
    const { api, client } = await start();
    await errorOf(client.get("/", AbortSignal.abort(new Error("not now"))));
    expect(api.requests).toEqual([]);
  });

  test("comes while access is asked for, which may take for ever", async () => {
    const controller = new AbortController();
    const client = clientOf({ key: "slow", access: () => new Promise(() => {}) });
    const ended = errorOf(client.get("/", controller.signal));
    controller.abort(new Error("enough"));
    expect((await ended).message).toBe("enough");
  });

  test("comes while a server that accepted says nothing, and ends the connection", async () => {
    const { api, client } = await start();
    const controller = new AbortController();
    const ended = errorOf(client.get("/", controller.signal));
    const { socket } = await api.request(1);
    const closed = closeOf(socket);
    controller.abort();
    await ended;
    await closed;
  });

  test("comes while a body is read, and ends the connection", async () => {
    const { api, client } = await start();
    const controller = new AbortController();
    const ended = errorOf(client.get("/", controller.signal));
    const { response, socket } = await api.request(1);
    response.write('{"half":');
    const closed = closeOf(socket.resume());
    controller.abort();
    await ended;
    await closed;
  });

  test("comes while a response is followed, and ends the connection", async () => {
    const { api, client } = await start();
    const controller = new AbortController();
    const { opened, ended } = follow(client, controller.signal);
    const { open, socket } = await api.request(1);
    open();
    await opened;
    const closed = closeOf(socket);
    controller.abort();
    await errorOf(ended);
    await closed;
  });

  test("comes while TLS is awaited", async () => {
    const url = await startRaw("");
    const controller = new AbortController();
    const ended = errorOf(clientAt(url.replace("http:", "https:")).get("/", controller.signal));
    await new Promise((resolve) => setImmediate(resolve));
    controller.abort();
    await ended;
  });
});

describe("the connections of a client", () => {
  test("are used again: a watch follows a list on its connection, and further requests another", async () => {
    for (const isSecure of [false, true]) {
      const { api, client } = await start({ isSecure });
      api.onRequest = ({ path, json, open }) => (path === "/watch" ? open() : json({}));
      await client.get("/list", never);
      const watch = follow(client);
      await watch.opened;
      expect(api.sockets).toBe(1);
      await client.get("/service", never);
      await client.get("/service", never);
      expect(api.sockets).toBe(2);
      client.close();
      await errorOf(watch.ended);
    }
  });

  test("do not keep the process alive, new or used", async () => {
    const { api, client } = await start();
    api.onRequest = ({ path, json, open }) => (path === "/watch" ? open() : json({}));
    const refd = (): number => process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap").length;
    const before = refd();
    await client.get("/list", never);
    const watch = follow(client);
    await watch.opened;
    await client.get("/service", never);
    // the server's ends of them are in this process, too
    expect(refd() - before).toBe(2);
    client.close();
    await errorOf(watch.ended);
  });

  test("find out by TCP itself that the peer is gone", async () => {
    const setKeepAlive = vi.spyOn(Socket.prototype, "setKeepAlive");
    onTestFinished(() => setKeepAlive.mockRestore());
    const { api, client } = await start();
    api.onRequest = ({ open }) => open();
    const watch = follow(client);
    await watch.opened;
    expect(setKeepAlive).toHaveBeenLastCalledWith(true, 15_000);
    client.close();
    await errorOf(watch.ended);
  });

  test("end with the client", async () => {
    const { api, client } = await start();
    api.onRequest = ({ path, json, open }) => (path === "/watch" ? open() : json({}));
    const watch = follow(client);
    await watch.opened;
    await client.get("/service", never);
    const closed = api.requests.map(({ socket }) => closeOf(socket));
    client.close();
    await Promise.all(closed);
    await errorOf(watch.ended);
  });
});
