import type { Context } from "../context.ts";
import { examineAccount } from "../doctor/account.ts";
import { describeChecks } from "../doctor/checks.ts";
import { examineExisting } from "../doctor/existing.ts";
import { examineHome } from "../doctor/home.ts";
import { examineMachine } from "../doctor/machine.ts";
import { examineRootless } from "../doctor/rootless.ts";
import { indent } from "../console.ts";
import { Failure, InputError } from "../errors.ts";
import { fixFor, serviceWords } from "../fixes.ts";
import { type LastRun, lastRun } from "../last-run.ts";
import { stagesOf } from "../operation.ts";
import { settingOf } from "../settings.ts";
import type { Stack } from "../stack.ts";
import { describeStage } from "../stages.ts";
import { composeConfig } from "../state.ts";

/** Examines this machine, the accounts the stack needs, and every node of it that is there. Changes nothing. */
export async function doctor(context: Context, stack: Stack, settings: readonly string[]): Promise<void> {
  const config = await composeConfig(context.paths, stack, settings, "last");
  const named = settingOf(config, "topology");
  const topology = typeof named === "string" ? named : stack.topology;
  const [own, home, existing, account, rootless, nodes, last] = await Promise.all([
    examineMachine(context, stack.name, config),
    examineHome(context, stack.name, config),
    examineExisting(context, stack.name, config, "all"),
    examineAccount(context, topology, config),
    topology === "ci" ? examineRootless(context).then(({ k3d }) => k3d) : [],
    stagesOf(context, stack.name),
    lastRun(context.paths, stack.name),
  ]);
  const machine = [...own, ...home, ...existing];
  const problemsIn = (checks: typeof account): number =>
    checks.filter(({ result }) => result === "problem").length;
  const problems = problemsIn(machine) + problemsIn(account);
  const failed = nodes.filter(({ state }) => state !== "done").length;
  const told = nodes.map(({ error }) => error ?? "").join("\n");
  const untold = (last?.errors ?? []).filter(({ message }) => !told.includes(serviceWords(message)));
  if (context.console.json) {
    const healthy = problems + failed === 0;
    context.console.out(
      JSON.stringify({
        stack: stack.name,
        healthy,
        machine,
        account,
        rootless,
        nodes,
        lastRun: last ?? null,
      }),
    );
  } else {
    context.console.out(describeChecks([...machine, ...account]));
    // What is wrong here keeps no stack from coming up.
    if (rootless.length > 0) {
      context.console.out(
        `\nwhat k3d needs besides, without root (docs/podman.md):\n${describeChecks(rootless)}`,
      );
    }
    if (nodes.length > 0) context.console.out(`\n${nodes.map(describeStage).join("\n")}`);
    if (last !== undefined && untold.length > 0) {
      context.console.out(`\n${describeRun({ ...last, errors: untold }, stack.name)}`);
    }
  }
  if (problems > 0) throw new InputError(`there are ${String(problems)} problem(s) to fix first`);
  if (failed > 0) throw new Failure(`${String(failed)} node(s) are not ready`);
}

function describeRun({ logFile, errors }: LastRun, stack: string): string {
  const lines = errors.map(({ resource, message }) => {
    const fix = fixFor(message, stack);
    return `${resource}:\n${indent(fix === undefined ? message : `${message}\nfix: ${fix}`)}`;
  });
  return `the last run failed (${logFile}):\n${indent(lines.join("\n"))}`;
}
