/** Doctor's machine part: probes, then checks. */
import { ownClusterName } from "../cluster-name.ts";
import { publishedPorts } from "../cluster.ts";
import type { Context } from "../context.ts";
import { readResources } from "../deployment.ts";
import { InputError } from "../errors.ts";
import { nodesHere } from "../needs.ts";
import { settingOf } from "../settings.ts";
import type { StackFile } from "../settings.ts";
import type { Check, NodesHere } from "./checks.ts";
import { checkMachine, describeChecks } from "./checks.ts";
import { examineRootless } from "./rootless.ts";

const defaultApiPort = 6443;

/** Ports of the API, and the registry's, that this stack will publish and, by its state, does not publish yet. */
export async function portsToCheck(context: Context, stack: string, config: StackFile): Promise<number[]> {
  const first = Number(settingOf(config, "apiPort") ?? defaultApiPort);
  const servers = Number(settingOf(config, "servers") ?? 1);
  // A value that is no number is config's to refuse, with its own words.
  if (!Number.isInteger(first) || first < 1 || first > 65_000 || !Number.isInteger(servers)) return [];
  const registry = registryPortOf(config);
  const own = new Set<number>();
  for (const { inputs } of await readResources(context.paths, stack)) {
    own.add(Number(inputs?.["hostPort"]));
    const publish: unknown = inputs?.["publish"];
    if (!Array.isArray(publish)) continue;
    for (const { hostPort } of publish as readonly { hostPort?: unknown }[]) own.add(Number(hostPort));
  }
  const api = Array.from({ length: Math.min(servers, 9) }, (_, index) => first + index);
  return [...api, ...(registry === undefined ? [] : [registry])].filter((port) => !own.has(port));
}

/** Undefined for a stack without a registry, and for what is no port: config says that in its own words. */
function registryPortOf(config: StackFile): number | undefined {
  const port = Number(settingOf(config, "registryPort") ?? Number.NaN);
  return Number.isInteger(port) && port >= 1 && port <= 65_535 ? port : undefined;
}

export async function examineMachine(context: Context, stack: string, config: StackFile): Promise<Check[]> {
  const named: unknown = settingOf(config, "topology");
  const topology = typeof named === "string" ? named : stack;
  const probed = await context.machine.probe(context, await portsToCheck(context, stack, config));
  const registryPort = registryPortOf(config);
  const facts = registryPort === undefined ? probed : { ...probed, registryPort };
  const nodes = kindOfNodes(context, topology);
  if (nodes === "none") return checkMachine(facts, nodes);
  const coming = facts.mayInstall ? facts.missingPackages : [];
  const rootless = facts.root || nodes === "machines" ? [] : (await examineRootless(context, coming)).nodes;
  if (facts.takenPorts.length === 0) return [...checkMachine(facts, nodes), ...rootless];
  // A pod that a killed run left is in no state yet: the next run takes it over, with its ports.
  const own = await publishedPorts(context, ownClusterName(stack, config));
  const takenPorts = facts.takenPorts.filter((port) => !own.has(port));
  return [...checkMachine({ ...facts, takenPorts }, nodes), ...rootless];
}

function kindOfNodes(context: Context, topology: string): NodesHere {
  if (!nodesHere(context, topology)) return "none";
  return topology === "ci" ? "containers" : "machines";
}

/**
 * Refuses to go on with a machine that cannot run the stack, naming all problems at once; says what it will do about the rest.
 *
 * @throws InputError
 */
export function requireHealthy(context: Context, checks: readonly Check[]): void {
  const problems = checks.filter(({ result }) => result === "problem");
  if (problems.length > 0) {
    throw new InputError(
      `this machine cannot run the stack yet; nothing was created:\n${describeChecks(problems)}`,
    );
  }
  const notices = checks.filter(({ result }) => result === "notice");
  if (context.console.verbose && notices.length > 0) context.console.info(describeChecks(notices));
}
