import { expect, test } from "vitest";
import { cases } from "./cases.ts";
import { targets } from "./targets.ts";

test.each(targets)("$case measures $client and $against without being asked to", ({ case: name, client, against }) => {
  const clients = cases.find((each) => each.name === name)?.clients;
  expect(clients).toEqual(expect.arrayContaining([client, against]));
});
