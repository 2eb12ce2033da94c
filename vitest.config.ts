import { defineConfig } from "vitest/config";

const minute = 60_000;

/** A report shows what was found, and not its length alone (vitest's own bound is 40 characters). */
const chaiConfig = { truncateThreshold: 400 };

/**
 * Tests of what runs on nodes and as the language host, shell and Go, and of what starts processes by the dozen, with everything
 * around it faked. Nearly half of the time of all that needs no cluster, and left alone by most changes: `--quick` leaves them out.
 */
const programs = [
  ...["boot", "steward", "language-host", "toolchain-images"].map((folder) => `test/${folder}/**/*.test.ts`),
  "test/cli/doctor-conditions.test.ts",
  "test/toolchain/install.test.ts",
  "test/toolchain/killed.test.ts",
  "test/provider/start.test.ts",
  "test/provider/operator-process.test.ts",
  "test/rehearsal/daemon/daemon.test.ts",
  "test/rehearsal/machines/scripts.test.ts",
  "test/stacks/lean-sdk.test.ts",
];

/**
 * A worker runs many files and loads what they import once: Pulumi's SDK alone takes most of a second. So a test leaves
 * nothing behind in a module, in process.env or on a prototype.
 */
const shared = {
  chaiConfig,
  globalSetup: "test/support/temporary.ts",
  testTimeout: 20_000,
  pool: "forks",
  isolate: false,
  // All cores: vitest by itself leaves one free, which is half of a small machine.
  maxWorkers: "100%",
} as const;

/** Tests that share one machine's Podman: one after another, never repeated. */
const serial = {
  chaiConfig,
  fileParallelism: false,
  maxWorkers: 1,
  retry: 0,
  sequence: { concurrent: false },
};

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          ...shared,
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: [
            ...programs,
            "test/e2e/**",
            "test/provider-real/**",
            "test/**/*.real.test.ts",
            "test/long/**",
          ],
        },
      },
      {
        test: {
          ...shared,
          name: "programs",
          include: programs,
          exclude: ["test/**/*.real.test.ts"],
          // Each starts dozens of processes, several at a time: beside other work a test of three seconds takes twenty.
          testTimeout: minute,
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
