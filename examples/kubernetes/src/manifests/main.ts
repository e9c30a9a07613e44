import { readdirSync } from "node:fs";
import { join } from "node:path";
import { inconsistencies } from "./consistency.ts";
import { flaws, spoil } from "./flaws.ts";
import { publishedSchemas, render, ToolError } from "./go.ts";
import { describeObject, type KnownObject, type KubernetesObject } from "./objects.ts";
import { createSchemaCheck, type SchemaCheck } from "./schemas.ts";

// Renders each overlay, and checks every object against the published schemas, and all of them against one another.
// Then spoils them in several ways, each of which has to be found: a check that cannot fail is none.

const overlays = join(import.meta.dirname, "../../deploy/overlays");
const problems: string[] = [];
try {
  const { version, read } = await publishedSchemas();
  const check = createSchemaCheck(read);
  for (const overlay of readdirSync(overlays)) {
    const objects = await render(join(overlays, overlay));
    const found = problemsOf(objects, check);
    problems.push(...found.map((problem) => `${overlay}: ${problem}`));
    process.stdout.write(`${overlay}: ${objects.length} objects, ${found.length} problems\n`);
  }
  if (problems.length === 0) process.stdout.write(`All objects are valid for Kubernetes ${version}.\n`);
} catch (error) {
  if (!(error instanceof ToolError)) throw error;
  problems.push(error.message);
}
for (const problem of problems) process.stderr.write(`manifests: ${problem}\n`);
if (problems.length > 0) process.exitCode = 1;

function problemsOf(objects: readonly KubernetesObject[], check: SchemaCheck): readonly string[] {
  const found = objects.flatMap(check);
  if (found.length === 0) found.push(...inconsistencies(objects as readonly KnownObject[])); // which relies on the schemas
  for (const deployment of objects.filter(({ kind }) => kind === "Deployment")) {
    const missed = flaws.filter((flaw) => !check(spoil(deployment, flaw)).some((each) => flaw.expected.test(each)));
    found.push(...missed.map(({ name }) => `the check does not find ${name} in ${describeObject(deployment)}`));
  }
  return found;
}
