import { expect, test } from "vitest";
import { type Result, nothing } from "../../cli/testing/outcome.ts";
import { report } from "../../cli/testing/report.ts";
import { makeBed } from "./bed.ts";

test("the end of all tests names each that failed, and counts last", () => {
  const bed = makeBed();
  const results: readonly Result[] = [
    { name: "tsc", ok: false, milliseconds: 1000, counts: nothing, failures: [] },
    {
      ...{ name: "e2e", ok: false, milliseconds: 61_000 },
      counts: { passed: 5, failed: 2, skipped: 2 },
      failures: [
        "test/e2e/a.test.ts: nodes leave\n    Error: homespan sweep ended with 1:\n    ...\n    homespan: node-1 answers\n      not",
        `test/e2e/a.test.ts: nodes join\n    ${"a long\n    ".repeat(100)}`,
      ],
    },
  ];
  report(bed.context, results, [{ suite: "vm", reason: "failed before" }], 62_000);
  bed.remove();
  const lines = bed.printed.join("\n").split("\n");
  expect(lines).toContain("    Error: homespan sweep ended with 1:");
  expect(lines.slice(-9)).toEqual([
    "FAILED  tsc          1.0 s",
    "FAILED  e2e          1 min 01 s",
    "left out vm           failed before: ./homespan test --long vm",
    "        in all       1 min 02 s",
    "failed  test/e2e/a.test.ts: nodes leave",
    "        homespan: node-1 answers not",
    "failed  test/e2e/a.test.ts: nodes join",
    `        ${"a long ".repeat(35).slice(0, 240)}...`,
    "5 passed, 3 failed, 2 skipped",
  ]);
});
