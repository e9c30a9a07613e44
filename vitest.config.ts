import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["packages/*/src/**/*.test.ts", "test/{bench,fuzz,matrix,simulation,soak}/**/*.test.ts"],
          environment: "node",
          setupFiles: ["test/leaks.ts"],
        },
      },
      {
        // the lowest grpc-js that is supported
        resolve: { alias: { "@grpc/grpc-js": "grpc-js-lowest" } },
        test: {
          name: "grpc-js-lowest",
          include: ["packages/grpc-js/src/**/*.test.ts"],
          environment: "node",
          setupFiles: ["test/leaks.ts"],
        },
      },
      {
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts", "examples/*/src/**/*.test.ts"],
          environment: "node",
          testTimeout: 30_000,
          hookTimeout: 30_000,
          fileParallelism: false,
          setupFiles: ["test/leaks.ts"],
        },
      },
    ],
  },
});
