import { once } from "node:events";
import { createServer } from "node:net";
import { describe, expect, test } from "vitest";
import { clientAt, clientOf, errorOf, never, start, startRaw } from "../../test-helpers/api-client.ts";
import { startHttpApi } from "../../test-helpers/api-server.ts";
import { otherCa } from "../../test-helpers/other-ca.ts";
import { ApiError } from "./api-error.ts";
import type { ApiServer } from "./api-server.ts";

describe("a request to an API server", () => {
  test("is a GET for JSON, with the token, and without a wish for compression", async () => {
    const api = await startHttpApi();
    api.onRequest = ({ json }) => json({ kind: "Service" });
    const client = clientAt(`${api.url}/`, { token: "s3cret" });
    expect(await client.get("/api/v1?x=1", never)).toEqual({ kind: "Service" });
    const [request] = api.requests;
    expect(request).toMatchObject({ path: "/api/v1", query: { x: "1" } });
    expect(request?.headers).toMatchObject({ accept: "application/json", authorization: "Bearer s3cret" });
    expect(request?.headers).not.toHaveProperty("accept-encoding");
  });

  test("goes below the path of the URL, as that of a proxy before several clusters", async () => {
    for (const prefix of ["/k8s/clusters/c-1", "/k8s/clusters/c-1/"]) {
      const { api, client } = await start({ prefix, isSecure: true });
      api.onRequest = ({ json }) => json({});
      await client.get("/api/v1", never);
      expect(api.requests[0]?.path).toBe("/k8s/clusters/c-1/api/v1");
    }
  });

  test("goes over TLS, which the CA vouches for", async () => {
    const { api, client } = await start({ isSecure: true });
    api.onRequest = ({ json }) => json({});
    expect(await client.get("/", never)).toEqual({});
  });

  test("to a server that the CA does not vouch for says so", async () => {
    const { api } = await start({ isSecure: true });
    for (const options of [{}, { ca: otherCa }]) {
      const { message } = await errorOf(clientAt(api.url, options).get("/", never));
      expect(message).toMatch(/^the API server at https:\/\/127\.0\.0\.1:\d+ cannot be reached: .*certificate/);
    }
    expect(api.requests).toEqual([]);
  });

  test("to nobody says so", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    server.close();
    await once(server, "close");
    const { message } = await errorOf(clientAt(`http://127.0.0.1:${port}`).get("/", never));
    expect(message).toMatch(/^the API server at http:\/\/127.0.0.1:\d+ cannot be reached: connect ECONNREFUSED/);
  });

  test("in plain text to a server of TLS, and the other way round, says so", async () => {
    const { api } = await start({ isSecure: true });
    expect((await errorOf(clientAt(api.url.replace("https", "http")).get("/", never))).message).toContain("cannot be");
    const plain = await start();
    expect((await errorOf(clientAt(plain.api.url.replace("http", "https")).get("/", never))).message).toContain(
      "cannot",
    );
  });

  test("asks for access each time: rotated tokens count", async () => {
    const api = await startHttpApi();
    api.onRequest = ({ json }) => json({});
    let rotation = 0;
    const access: ApiServer["access"] = async () => {
      const headers = { authorization: `Bearer ${++rotation}` };
      return { url: new URL(api.url), options: { headers }, namespace: undefined };
    };
    const client = clientOf({ key: "rotating", access });
    for (let count = 0; count < 3; count++) await client.get("/", never);
    expect(api.requests.map(({ headers }) => headers.authorization)).toEqual(["Bearer 1", "Bearer 2", "Bearer 3"]);
    expect(api.sockets).toBe(1);
  });

  test("tells whose access was not accepted, by a 401 and nothing else", async () => {
    const api = await startHttpApi();
    let status = 403;
    api.onRequest = ({ response }) => response.writeHead(status).end("{}");
    let refusals = 0;
    const access: ApiServer["access"] = async () => ({ url: new URL(api.url), options: {}, namespace: undefined });
    const client = clientOf({ key: "refused", access, refused: () => refusals++ });
    await errorOf(client.get("/", never));
    expect(refusals).toBe(0);
    status = 401;
    await errorOf(client.get("/", never));
    expect(refusals).toBe(1);
  });

  test("fails as its access does", async () => {
    const error = new Error("no service account");
    const client = clientOf({ key: "none", access: () => Promise.reject(error) });
    expect(await errorOf(client.get("/", never))).toBe(error);
  });
});

describe("an answer", () => {
  test("that is no success is an ApiError with the Status's message", async () => {
    const { api, client } = await start();
    const status = { kind: "Status", message: "services is forbidden", reason: "Forbidden", code: 403 };
    api.onRequest = ({ json }) => json(status, 403);
    const error = await errorOf(client.get("/", never));
    expect(error).toBeInstanceOf(ApiError);
    expect(error).toMatchObject({ status: 403, message: "services is forbidden (403)" });
  });

  test.each([
    [404, "404 page not found\n", "404 page not found (404)"],
    [502, "", "the API server gave no reason (502)"],
    [503, '"text"', "the API server gave no reason (503)"],
    [302, "", "the API server redirects, which is not followed (302)"],
    [204, "", "the API server gave no reason (204)"],
  ])("of status %i that is no Status: %j", async (status, body, message) => {
    const { api, client } = await start();
    api.onRequest = ({ response }) => response.writeHead(status, { location: "/elsewhere" }).end(body);
    expect(await errorOf(client.get("/", never))).toMatchObject({ name: "ApiError", status, message });
  });

  test("shows neither the token, nor a whole page", async () => {
    const api = await startHttpApi();
    const client = clientAt(api.url, { token: "s3cret" });
    api.onRequest = ({ response }) => response.writeHead(400).end("bad header authorization: Bearer s3cret");
    expect((await errorOf(client.get("/", never))).message).toBe("bad header authorization: Bearer … (400)");
    api.onRequest = ({ response }) => response.writeHead(502).end("<p>".repeat(300_000));
    expect((await errorOf(client.get("/", never))).message.length).toBeLessThan(1_100);
  });

  test("that switches protocols ends with its signal", async () => {
    const url = await startRaw("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n");
    const request = clientAt(url).get("/", AbortSignal.timeout(200));
    expect((await errorOf(request)).message).toContain("aborted");
  });

  test("says how long to wait", async () => {
    const { api, client } = await start();
    api.onRequest = ({ json }) => json({ message: "too many requests" }, 429, { "retry-after": "3" });
    expect(await errorOf(client.get("/", never))).toMatchObject({ status: 429, retryAfterMs: 3_000 });
  });

  test("that is an error without end is read for a MiB, not for ever", async () => {
    const { api, client } = await start();
    api.onRequest = ({ response }) => {
      response.writeHead(500);
      const more = (): void => {
        while (response.write("x".repeat(65_536)));
        response.once("drain", more);
      };
      more();
    };
    expect(await errorOf(client.get("/", never))).toMatchObject({ status: 500 });
  });

  test.each(["", "<html>", '{"half":'])("that is no JSON is an error that shows it: %j", async (text) => {
    const { api, client } = await start();
    api.onRequest = ({ response }) => response.end(text);
    const { message } = await errorOf(client.get("/", never));
    expect(message).toBe(`the API server sent something that is no JSON: ${text}`);
  });

  test.each([
    ["its length says", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{}"],
    ["its chunks say", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n"],
  ])("that ends before %s is an error", async (_name, answer) => {
    const client = clientAt(await startRaw(answer, (socket) => socket.end()));
    const { message } = await errorOf(client.get("/", never));
    expect(message).toMatch(/^the API server broke off its response: /);
  });

  test("that is no HTTP is an error", async () => {
    const client = clientAt(await startRaw("SSH-2.0-OpenSSH_9.2\r\n"));
    expect((await errorOf(client.get("/", never))).message).toContain("cannot be reached: Parse Error");
  });
});
