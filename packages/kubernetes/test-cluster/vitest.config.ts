import { join } from "node:path";
import { defineConfig } from "vitest/config";
import { missing } from "./settings.ts";

if (missing.length > 0) {
  process.stderr.write(
    `test:cluster runs against a real API server, and needs to know which one. Not set: ${missing.join(", ")}.\n\n` +
      "  kubectl create namespace evenkeel-e2e\n" +
      "  KUBECONFIG=~/.kube/config EVENKEEL_E2E_NAMESPACE=evenkeel-e2e pnpm --filter @evenkeel/kubernetes test:cluster\n\n" +
      "What is created there, and what rights it takes, is in packages/kubernetes/test-cluster/README.md.\n",
  );
  process.exit(1);
}

export default defineConfig({
  test: {
    name: "cluster",
    root: join(import.meta.dirname, ".."),
    include: ["test-cluster/**/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
