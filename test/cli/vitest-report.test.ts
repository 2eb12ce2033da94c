import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readReport } from "../../cli/vitest-report.ts";

const file = (testResults: readonly unknown[]): string => {
  const path = join(mkdtempSync(join(tmpdir(), "report-")), "unit.json");
  writeFileSync(path, JSON.stringify({ numPassedTests: 3, numFailedTests: 1, numTodoTests: 1, testResults }));
  return path;
};

test("counts, and the failed tests with the beginning of what they said", async () => {
  const path = file([
    {
      ...{ name: "/home/me/homespan/test/a.test.ts", status: "failed" },
      assertionResults: [
        { fullName: "nodes join", status: "passed", failureMessages: [] },
        {
          ...{ fullName: "nodes leave", status: "failed" },
          failureMessages: ["Error: homespan sweep ended with 1:\nhomespan: no\n\n    at run (a.ts:1:1)"],
        },
      ],
    },
    { name: "/home/me/homespan/test/b.test.ts", status: "passed", assertionResults: [] },
  ]);
  expect(await readReport(path, "/home/me/homespan")).toEqual({
    ...{ passed: 3, failed: 1, skipped: 1 },
    failures: ["test/a.test.ts: nodes leave\n    Error: homespan sweep ended with 1:\n    homespan: no"],
  });
});

test("a file that did not load, and both ends of a long text", async () => {
  const message = Array.from({ length: 30 }, (_, line) => `line ${line}`).join("\n");
  const path = file([{ name: "/elsewhere/c.test.ts", status: "failed", message, assertionResults: [] }]);
  const { failures } = await readReport(path, "/home/me/homespan");
  expect(failures).toEqual([
    "/elsewhere/c.test.ts\n" +
      [0, 1, "...", 24, 25, 26, 27, 28, 29]
        .map((line) => (line === "..." ? "    ..." : `    line ${line}`))
        .join("\n"),
  ]);
});

test("of a command that failed, why it did and not how far each node came", async () => {
  const said = [
    ...["Error: homespan up ci ended with 1:", "rehearsing", "  3 s  created"],
    ...["homespan: up ci failed after 20 s", "  agent-1-vm:", "    no room", "  nodes:"],
    ...Array.from({ length: 6 }, (_, node) => `    agent-${node}: waits`),
  ];
  const failed = { fullName: "nodes join", status: "failed", failureMessages: [said.join("\n")] };
  const { failures } = await readReport(file([{ name: "/d.test.ts", assertionResults: [failed] }]), "/home");
  const shown = [...said.slice(0, 2), "...", ...said.slice(3, 9)];
  expect(failures).toEqual([`/d.test.ts: nodes join\n${shown.map((line) => `    ${line}`).join("\n")}`]);
});
