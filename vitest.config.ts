import { defineConfig } from "vitest/config";

const minute = 60_000;

/** Tests that share one machine's Podman: one after another, never repeated. */
const serial = { fileParallelism: false, maxWorkers: 1, retry: 0, sequence: { concurrent: false } };

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: ["test/e2e/**", "test/provider-real/**", "test/**/*.real.test.ts", "test/long/**"],
          globalSetup: "test/support/temporary.ts",
          testTimeout: 20_000,
          // A worker runs many files and loads what they import once: Pulumi's SDK alone takes most of a second. So a test leaves
          // nothing behind in a module, in process.env or on a prototype.
          pool: "forks",
          isolate: false,
          // All cores: vitest by itself leaves one free, which is half of a small machine.
          maxWorkers: "100%",
        },
      },
      {
        test: {
          ...serial,
          name: "real",
          include: ["test/provider-real/**/*.test.ts", "test/**/*.real.test.ts"],
          testTimeout: 3 * minute,
          hookTimeout: 3 * minute,
        },
      },
      {
        test: {
          ...serial,
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          testTimeout: 20 * minute,
          hookTimeout: 20 * minute,
        },
      },
      {
        test: {
          ...serial,
          name: "long",
          include: ["test/long/**/*.test.ts"],
          testTimeout: 180 * minute,
          hookTimeout: 60 * minute,
        },
      },
    ],
  },
});
