/** What vitest's JSON reporter wrote down of a run. https://vitest.dev/guide/reporters#json-reporter */
import { readFile } from "node:fs/promises";

export interface TestReport {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** Of each test that failed, and of each file that did not load: which one, and the beginning of what it said. */
  readonly failures: readonly string[];
}

interface Raw {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests?: number;
  readonly numTodoTests?: number;
  readonly testResults?: readonly {
    readonly name: string;
    readonly status: string;
    readonly message?: string;
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: string;
      readonly failureMessages?: readonly string[] | null;
    }[];
  }[];
}

/** Enough to see the end of a command's output, which is where its reason is. */
const LINES = { first: 2, last: 6 };

export async function readReport(file: string, checkout: string): Promise<TestReport> {
  const raw = JSON.parse(await readFile(file, "utf8")) as Raw;
  const failures = (raw.testResults ?? []).flatMap(({ name, status, message, assertionResults }) => {
    const path = name.startsWith(`${checkout}/`) ? name.slice(checkout.length + 1) : name;
    const failed = assertionResults.filter((it) => it.status === "failed");
    if (failed.length === 0 && status === "failed") return [`${path}\n${excerpt(message ?? "")}`];
    return failed.map(
      ({ fullName, failureMessages }) => `${path}: ${fullName}\n${excerpt(failureMessages?.[0] ?? "")}`,
    );
  });
  return {
    passed: raw.numPassedTests,
    failed: raw.numFailedTests,
    skipped: (raw.numPendingTests ?? 0) + (raw.numTodoTests ?? 0),
    failures,
  };
}

/** Without the stack below it; of a long text both ends. */
function excerpt(message: string): string {
  const lines = message.split("\n").filter((line) => line.trim() !== "" && !/^\s+at /.test(line));
  const kept =
    lines.length <= LINES.first + LINES.last
      ? lines
      : [...lines.slice(0, LINES.first), "...", ...lines.slice(-LINES.last)];
  return kept.map((line) => `    ${line}`).join("\n");
}
