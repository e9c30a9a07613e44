import { describe, expect, it, onTestFinished, vi } from "vitest";
import { type Checked, passTime, readyChecked } from "../../test-helpers/checked.ts";

const check = { path: "/readyz" };

const ready = (): Checked => readyChecked(check);

/** Answers the question under way. */
async function answer({ clock, inner }: Checked, status: number): Promise<void> {
  inner.lastStream.respond({ status, body: [Buffer.from("ok")] });
  inner.lastStream.complete();
  await clock.advance(0);
}

describe("a poll", () => {
  it("asks in the background once the connection is ready, and again some time after each answer", async () => {
    const checked = ready();
    const { clock, inner, told } = checked;
    expect(inner.lastStream.head).toMatchObject({ method: "GET", path: "/readyz", endStream: true, background: true });
    for (let question = 1; question <= 10; question++) {
      expect(inner.streams).toHaveLength(question);
      await answer(checked, 200);
      expect(clock.nextInMs).toBe(5_000);
      await clock.advance(5_000);
    }
    expect(told).toEqual(["ready", "healthy: GET /readyz: HTTP 200"]);
  });

  it("takes any 2xx for healthy, and anything else for unhealthy, with what was seen", async () => {
    const checked = readyChecked({ path: "/readyz", intervalMs: 100 });
    for (const status of [204, 503, 299, 301, 200, 400, 401, 404, 501]) {
      await answer(checked, status);
      await checked.clock.advance(100);
    }
    expect(checked.told.slice(1)).toEqual([
      "healthy: GET /readyz: HTTP 204",
      "unhealthy: GET /readyz: HTTP 503",
      "healthy: GET /readyz: HTTP 299",
      "unhealthy: GET /readyz: HTTP 301",
      "healthy: GET /readyz: HTTP 200",
      "unhealthy: GET /readyz: HTTP 400",
      "unhealthy: GET /readyz: HTTP 401",
      "unhealthy: GET /readyz: HTTP 404",
      "unhealthy: GET /readyz: HTTP 501",
    ]);
  });

  it.each([404, 501])("takes %d for healthy while the path was never there, and goes on to ask", async (status) => {
    const emitWarning = vi.spyOn(process, "emitWarning").mockReturnValue();
    onTestFinished(() => emitWarning.mockRestore());
    const checked = ready();
    for (let question = 0; question < 3; question++) {
      await answer(checked, status);
      await checked.clock.advance(5_000);
    }
    const reason = `GET /readyz: HTTP ${status}: its server has no such path, which counts as healthy`;
    expect(checked.told).toEqual(["ready", `healthy: ${reason}`]);
    expect(emitWarning).toHaveBeenCalledTimes(1);
    expect(emitWarning).toHaveBeenCalledWith(`connection 1 to pod-1 (10.0.0.1:8080): ${reason}`, expect.anything());
    await answer(checked, 200);
    await checked.clock.advance(5_000);
    await answer(checked, status);
    expect(checked.connection.health).toEqual({ state: "unhealthy", reason: `GET /readyz: HTTP ${status}` });
  });

  it("without an answer in time makes the connection unhealthy, and asks again", async () => {
    const checked = ready();
    const { clock, inner, told } = checked;
    await passTime(clock, 1_999);
    expect(told).toEqual(["ready"]);
    await passTime(clock, 1);
    expect(told).toEqual(["ready", "unhealthy: GET /readyz: no answer in 2000 ms"]);
    expect(inner.inFlight).toBe(0);
    await clock.advance(5_000);
    await answer(checked, 200);
    expect(told.at(-1)).toBe("healthy: GET /readyz: HTTP 200");
  });

  it("goes by the head of the answer, and does not wait for a body without an end", async () => {
    const { clock, inner, told } = ready();
    inner.lastStream.sendHeaders(200);
    expect(told.at(-1)).toBe("healthy: GET /readyz: HTTP 200");
    await passTime(clock, 2_000);
    expect(inner.inFlight).toBe(0);
    await passTime(clock, 5_000);
    inner.lastStream.sendHeaders(200);
    for (let chunk = 0; chunk < 64; chunk++) inner.lastStream.sendData(Buffer.alloc(1_024));
    expect(inner.inFlight).toBe(1);
    inner.lastStream.sendData(Buffer.alloc(1));
    expect(inner.inFlight).toBe(0);
    await passTime(clock, 5_000);
    expect(inner.streams).toHaveLength(3);
    expect(told).toHaveLength(2);
  });

  it("that is reset makes the connection unhealthy", async () => {
    const { clock, inner, told } = ready();
    inner.lastStream.break({ fate: "ambiguous", errorCode: 2, error: new Error("reset with INTERNAL_ERROR") });
    await clock.advance(0);
    expect(told.at(-1)).toBe("unhealthy: GET /readyz: reset with INTERNAL_ERROR");
    expect(clock.nextInMs).toBe(5_000);
  });

  it("that is lost after a good one is asked once more at once: a server may have closed the idle socket", async () => {
    const checked = ready();
    const { clock, inner, told } = checked;
    const lose = async (): Promise<void> => {
      inner.lastStream.break({ fate: "ambiguous", error: new Error("ECONNRESET") });
      await clock.advance(0);
    };
    for (let time = 1; time <= 2; time++) {
      await answer(checked, 200);
      await clock.advance(5_000);
      await lose();
      expect(inner.inFlight).toBe(1);
    }
    expect(told).toEqual(["ready", "healthy: GET /readyz: HTTP 200"]);
    await lose();
    expect(told.at(-1)).toBe("unhealthy: GET /readyz: ECONNRESET");
    expect(inner.inFlight).toBe(0);
    expect(clock.nextInMs).toBe(5_000);
  });

  it("waits while the connection is full, which says nothing of its health", async () => {
    const checked = ready();
    const { clock, inner, connection } = checked;
    await answer(checked, 200);
    inner.changeMaxStreams(1);
    const nothing = { headers() {}, data() {}, drained() {}, trailers() {}, closed() {} };
    connection.open({ method: "POST", path: "/", headers: [], endStream: true }, nothing);
    await clock.advance(20_000);
    expect([inner.streams.length, inner.rejected.length, connection.health?.state]).toEqual([2, 0, "healthy"]);
    inner.lastStream.respond();
    inner.lastStream.complete();
    await clock.advance(5_000);
    expect(inner.lastStream.head.background).toBe(true);
  });
});

describe("the end of the connection", () => {
  const ends: Readonly<Record<string, (checked: Checked) => void>> = {
    "by drain()": ({ connection }) => connection.drain(),
    "by destroy()": ({ connection }) => connection.destroy(new Error("enough")),
    "by GOAWAY": ({ inner }) => inner.sendGoaway({ lastStreamId: 2 ** 31 - 1 }),
    "by a reset": ({ inner }) => inner.lose(new Error("ECONNRESET")),
  };

  it.each(Object.keys(ends))("ends the poll, and tells nothing of health: %s", async (kind) => {
    for (const isUnderWay of [true, false]) {
      const checked = ready();
      if (!isUnderWay) await answer(checked, 200);
      checked.told.length = 0;
      ends[kind]?.(checked);
      await passTime(checked.clock, 60_000);
      expect(checked.told.filter((what) => what !== "goaway" && what !== "closed")).toEqual([]);
      expect(checked.inner.streams).toHaveLength(1);
      expect([checked.inner.inFlight, checked.clock.pending]).toEqual([0, 0]);
    }
  });
});
