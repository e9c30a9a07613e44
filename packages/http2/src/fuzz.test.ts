import { expect, it } from "vitest";
import { fuzz } from "../test-helpers/fuzz/fuzz.ts";

it("survives mutated bytes of servers", async () => {
  const { outcomes, failure } = await fuzz({ inputs: 5_000, seed: 1 });
  expect(failure).toBeUndefined();
  // mutations break some, and not all
  expect([...(outcomes.get("frames")?.keys() ?? [])].sort()).toEqual(["ProtocolError", "ok"]);
  expect([...(outcomes.get("hpack")?.keys() ?? [])].sort()).toEqual(["HpackError", "ok", "too large"]);
  expect([...(outcomes.get("connection")?.keys() ?? [])].sort()).toEqual(["never ready", "ready", "some complete"]);
}, 20_000);
