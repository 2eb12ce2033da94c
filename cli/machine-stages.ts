/** How far nodes got on machines that SSH reaches: from an instance that is not there to one that is Ready. */
import type { Context } from "./context.ts";
import { fixFor, serviceWords } from "./fixes.ts";
import { lastRun } from "./last-run.ts";
import type { MachineNode, MachineTransport } from "./machine-nodes.ts";
import { machineNodes } from "./machine-nodes.ts";
import { withNodeCommands } from "./node-commands.ts";
import type { ResourceError } from "./progress.ts";
import type { StageSummary } from "./stages.ts";
import { summarizeStages } from "./stages.ts";

/** What a node on a machine goes through before its boot sequence tells of itself. */
const before = {
  instance: "its instance was not made",
  network: "its address or its ports are not set",
  machine: "its machine was not made, or does not answer yet",
} as const;

/**
 * Empty for a stack without such nodes.
 *
 * @param errors what the run that has just ended failed with; without it, what the log of the last one says.
 */
export async function machineStages(
  context: Context,
  stack: string,
  errors?: readonly ResourceError[],
): Promise<StageSummary[]> {
  const found = await machineNodes(context, stack);
  if (found === undefined) return [];
  const known = errors ?? (await lastRun(context.paths, stack))?.errors ?? [];
  const asked = found.nodes.flatMap(({ name, transport }): { name: string; transport: MachineTransport }[] =>
    transport === undefined ? [] : [{ name, transport }],
  );
  const now = Date.now();
  const target = { stack, nodes: asked, sshPrivateKey: found.privateKey };
  const answers = await withNodeCommands(context, target, (commandsOf) =>
    Promise.all(asked.map((node) => commandsOf(node).stages())),
  );
  return found.nodes.map((node) => {
    const answer = answers.find((it) => it.node === node.name);
    if (answer === undefined) return notMade(node, stack, known);
    const summary = summarizeStages(answer, now);
    // One that somebody has talked to answered once: since when it does not is not known.
    const first = node.transport?.hostKey === undefined ? node.instance?.createdAt : undefined;
    const since = Date.parse(first ?? "");
    return answer.problem === undefined || Number.isNaN(since)
      ? summary
      : { ...summary, waitedMs: Math.max(0, now - since) };
  });
}

function notMade(node: MachineNode, stack: string, errors: readonly ResourceError[]): StageSummary {
  const stage = node.atHome ? "machine" : node.instance === undefined ? "instance" : "network";
  // Named by the node: `Instance server-2-instance`, `StaticIp server-2-address`.
  const own = errors.find(({ resource }) => resource.split(" ").at(-1)?.startsWith(`${node.name}-`));
  const error = own === undefined ? before[stage] : `${before[stage]}: ${serviceWords(own.message)}`;
  const fix = own === undefined ? undefined : fixFor(own.message, stack);
  return {
    node: node.name,
    stage,
    state: own === undefined ? "waiting" : "failed",
    error,
    fix: fix ?? "run up again: it goes on where it stopped",
  };
}
