import { join } from "node:path";
import { outputOfStart, untrueLines } from "@evenkeel/example-grpc-js/testing";
import { expect, it } from "vitest";

const folder = join(import.meta.dirname, "..");

it("gives every pod its share while pods come and go", { timeout: 60_000 }, async () => {
  expect(await outputOfStart(folder)).toEqual([
    "NestJS, 3 pods: orders-1, orders-2, orders-3",
    "NestJS, 4 pods: orders-1, orders-2, orders-3, orders-4",
    "NestJS, 4 new pods: orders-5, orders-6, orders-7, orders-8",
    expect.stringMatching(/^\d+ RPCs, \d+ failed$/),
  ]);
});

it("shows in its README what is in the sources", () => {
  expect(untrueLines(folder)).toEqual([]);
});
