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

const LINES = { first: 2, last: 6 };

/** How the wrapper begins to say why it failed; how far the nodes came, which it says at the end, is not the reason. */
export const REASON = /^homespan: /;

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

/** Without the stack below it; of a long text the beginning, and the reason or else the end of a command's output. */
function excerpt(message: string): string {
  const lines = message.split("\n").filter((line) => line.trim() !== "" && !/^\s+at /.test(line));
  const reason = lines.findLastIndex((line) => REASON.test(line));
  const from = reason < 0 ? Math.max(lines.length - LINES.last, LINES.first) : Math.max(reason, LINES.first);
  const kept = [
    ...lines.slice(0, LINES.first),
    ...(from > LINES.first ? ["..."] : []),
    ...lines.slice(from, from + LINES.last),
  ];
  return kept.map((line) => `    ${line}`).join("\n");
}
