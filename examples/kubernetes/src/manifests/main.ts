import { readdirSync } from "node:fs";
import { join } from "node:path";
import { inconsistencies } from "./consistency.ts";
import { flaws, spoil } from "./flaws.ts";
import { publishedSchemas, render } from "./go.ts";
import { describeObject, type KnownObject } from "./objects.ts";
import { createSchemaCheck } from "./schemas.ts";

// Renders each overlay, and checks every object against the published schemas, and all of them against one another.
// Then spoils them in several ways, each of which has to be found: a check that cannot fail is none.

const overlays = join(import.meta.dirname, "../../deploy/overlays");
const schemas = await publishedSchemas();
const check = createSchemaCheck((apiVersion) => schemas.read(apiVersion));
const problems: string[] = [];
for (const overlay of readdirSync(overlays)) {
  const objects = await render(join(overlays, overlay));
  const found = objects.flatMap(check);
  if (found.length === 0) found.push(...inconsistencies(objects as readonly KnownObject[])); // which relies on the schemas
  for (const deployment of objects.filter(({ kind }) => kind === "Deployment")) {
    const missed = flaws.filter((flaw) => !check(spoil(deployment, flaw)).some((each) => flaw.expected.test(each)));
    found.push(...missed.map(({ name }) => `the check does not find ${name} in ${describeObject(deployment)}`));
  }
  problems.push(...found.map((problem) => `${overlay}: ${problem}`));
  process.stdout.write(`${overlay}: ${objects.length} objects, ${found.length} problems\n`);
}
for (const problem of problems) process.stderr.write(`manifests: ${problem}\n`);
if (problems.length > 0) process.exitCode = 1;
else process.stdout.write(`All objects are valid for Kubernetes ${schemas.version}.\n`);
