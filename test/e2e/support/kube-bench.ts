/** kube-bench on a rehearsed node, brought there and started by SSH as somebody would who checks a node of their own. */
import { realpathSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { cisProfile } from "../../../components/upstream/hardening.ts";
import { findCommand } from "../../../toolchain/machine.ts";
import { repository, run } from "./command.ts";
import type { RehearsedStack } from "./rehearsal.ts";

/** One check, as kube-bench prints it. */
export interface CisCheck {
  readonly test_number: string;
  readonly test_desc: string;
  readonly type: string;
  readonly status: "PASS" | "FAIL" | "WARN" | "INFO";
  readonly actual_value: string;
  readonly reason?: string;
}

interface Printed {
  readonly Controls: readonly { readonly tests: readonly { readonly results: readonly CisCheck[] }[] }[];
}

/** Not /run, from which nothing may be started on some systems. */
const place = "/opt/kube-bench";

/** All checks of the profile, or those of some of its parts. */
export async function kubeBench(
  stack: RehearsedStack,
  node: string,
  targets: readonly string[] = [],
): Promise<readonly CisCheck[]> {
  const environment = await stack.environment();
  const found = findCommand("kube-bench", environment["PATH"] ?? "");
  if (found === undefined) {
    throw new Error("kube-bench must be installed; run: ./homespan toolchain --prepare --group test");
  }
  const folder = dirname(realpathSync(found));
  const bring =
    'tar -C "$1" -c kube-bench cfg | "$2" ssh --stack "$3" "$4" -- sh -c "mkdir -p $5 && tar -x -C $5"';
  const homespan = join(repository, "homespan");
  await run("sh", ["-c", bring, "sh", folder, homespan, stack.name, node, place], {
    env: { ...environment, CI: "true", PATH: [environment["PATH"], process.env["PATH"]].join(delimiter) },
  });
  const { stdout } = await stack.homespan([
    ...["ssh", "--stack", stack.name, node, "--", `${place}/kube-bench`],
    ...["--config-dir", `${place}/cfg`, "--benchmark", cisProfile, "run", "--json"],
    ...(targets.length === 0 ? [] : ["--targets", targets.join(",")]),
  ]);
  return (JSON.parse(stdout) as Printed).Controls.flatMap(({ tests }) =>
    tests.flatMap(({ results }) => results),
  );
}

/** What is wanting; most warnings are of checks that ask a person. */
export function findings(checks: readonly CisCheck[]): readonly CisCheck[] {
  const asksPerson = ({ type, reason }: CisCheck): boolean =>
    type === "manual" || reason === "No tests defined";
  return checks.filter((it) => it.status === "FAIL" || (it.status === "WARN" && !asksPerson(it)));
}

/** One line for a reader of a failed test. */
export function told({ test_number, status, test_desc, actual_value, reason = "" }: CisCheck): string {
  return `${test_number} ${status}: ${test_desc}; ${reason} ${actual_value.slice(0, 300)}`;
}
