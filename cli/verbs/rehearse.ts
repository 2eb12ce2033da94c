/** A stack of the cloud or of a home, run as it is against what plays them on this machine (docs/rehearsal.md). */
import { existsSync } from "node:fs";
import { rm, rmdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { registryName } from "../../components/render/registry.ts";
import type { HomeLibvirt, Rehearsal } from "../../rehearsal/rehearsal.ts";
import { ownClusterName } from "../cluster-name.ts";
import { recordedOutputs } from "../cluster.ts";
import { duration } from "../console.ts";
import type { Context } from "../context.ts";
import { readResources, type Resource } from "../deployment.ts";
import { toolEnvironment } from "../environment.ts";
import { Failure, InputError } from "../errors.ts";
import { recover } from "../operation.ts";
import { resolvePaths } from "../paths.ts";
import { pulumi } from "../pulumi.ts";
import { pushCommand } from "../registry.ts";
import { type PreparedRehearsal, prepareRehearsal } from "../rehearsal-needs.ts";
import { type RehearsalPlace, placeOf } from "../rehearsal-place.ts";
import {
  type RehearsedConfig,
  ownAuthority,
  ownMac,
  ownRegistry,
  rehearsedConfig,
} from "../rehearsed-config.ts";
import { libvirtOrder, ownMachines } from "../rehearsed-machines.ts";
import type { StackFile } from "../settings.ts";
import type { Stack } from "../stack.ts";
import { composeConfig, removeEmptyState } from "../state.ts";
import { lineReporter } from "../tools.ts";
import type { FaultOptions } from "./fault.ts";

export interface RehearseOptions {
  readonly settings: readonly string[];
  readonly timeoutMinutes: number;
  /** Of 127.0.0.1, where a registry is pushed to that all nodes pull from. @default no registry */
  readonly registryPort?: number;
  /** What follows `fault`. */
  readonly words?: readonly string[];
  readonly fault?: FaultOptions;
}

/** What can be done in a rehearsal, beside the verbs that `rehearse ... env` makes work there. */
export const rehearsedVerbs = ["up", "preview", "home", "status", "destroy", "env", "fault"] as const;
export type RehearsedVerb = (typeof rehearsedVerbs)[number];

/** Topologies that have a stand-in for everything they ask of others. */
const rehearsable = ["lightsail", "homelab"];

/**
 * Runs one verb on the stack in its rehearsal.
 *
 * @throws InputError for a stack that cannot be rehearsed, or a rehearsal that does not run
 */
export async function rehearse(
  context: Context,
  stack: Stack,
  verb: RehearsedVerb,
  options: RehearseOptions,
): Promise<void> {
  if (!rehearsable.includes(stack.topology)) {
    throw new InputError(
      `[stack] must be ${rehearsable.join(" or ")} to be rehearsed, got "${stack.topology}"; ci runs on this machine as it is`,
    );
  }
  // The rehearsal runs Podman from this process, which every other verb leaves to those it starts.
  Object.assign(process.env, toolEnvironment(context.paths, context.environment));
  const place = await placeOf(context, stack, verb, options.settings);
  switch (verb) {
    case "fault": {
      const { fault } = await import("./fault.ts");
      return fault(context, stack, place.rehearsal.folder, options.words ?? [], options.fault ?? {});
    }
    case "up":
    case "preview":
    case "home":
      return run(context, stack, verb, place, options);
    case "destroy":
      return destroy(context, stack, place, options);
    case "status":
    case "env":
      return look(context, stack, verb, place.rehearsal, options);
  }
}

async function run(
  context: Context,
  stack: Stack,
  verb: "up" | "preview" | "home",
  place: RehearsalPlace,
  { settings, timeoutMinutes, registryPort }: RehearseOptions,
): Promise<void> {
  const { rehearsal, joins } = place;
  const config = await composeConfig(context.paths, stack, settings);
  const wanted = rehearsedConfig(config);
  const started = Date.now();
  const prepared = await prepareRehearsal(context, wanted, { registry: registryPort !== undefined });
  if (joins === undefined) await rehearsal.start({ ...wanted, ...prepared.settings });
  else await comeInto(rehearsal, stack, joins);
  const mac = wanted.mac && (await rehearsal.mac(wanted.mac, prepared.tool("limactl").path));
  const registry = registryPort === undefined ? undefined : await rehearsal.registry(registryPort);
  const home = await startMachines(context, stack, place, { config, wanted, prepared });
  const environment = (await rehearsal.environment()) ?? {};
  if (Date.now() - started > 2000) {
    const own = [...(mac === undefined ? [] : ["a Mac"]), ...(home === undefined ? [] : ["libvirt"])];
    const what =
      own.length === 0 ? "the rehearsed clouds are" : `what is rehearsed, ${own.join(" and ")} too, is`;
    context.console.info(`${what} ready (${duration(Date.now() - started)})`);
  }
  if (verb === "home") {
    const { address, user } = await rehearsal.home();
    const agent = { name: "home-1", existing: { address, user, site: "home" } };
    context.console.out(
      `a machine at home answers; to have it in the cluster:\n./homespan rehearse ${stack.name} --set 'agents=${JSON.stringify([agent])}'`,
    );
    return;
  }
  const inside = contextOf(context, rehearsal, environment);
  const rehearsed = [
    ...settings,
    ...ownAuthority(wanted.control, rehearsal.caFile),
    ...ownMac(config, mac && { address: mac.address, user: mac.user }),
    ...ownMachines(config, home),
    ...ownRegistry(config, registry),
  ];
  if (verb === "preview") {
    const { preview } = await import("./preview.ts");
    await preview(inside, stack, rehearsed);
    return;
  }
  const { up } = await import("./up.ts");
  await up(inside, stack, { settings: rehearsed, timeoutMinutes });
  if (registryPort !== undefined) context.console.info(pushCommand(registryName(registryPort)));
  context.console.info(
    `\neval "$(./homespan rehearse ${stack.name} env)" lets every other verb, and pulumi, work on it`,
  );
}

/** The libvirt at home, where a node is a virtual machine on it. */
async function startMachines(
  context: Context,
  stack: Stack,
  { rehearsal, joins }: RehearsalPlace,
  { config, wanted, prepared }: Ground,
): Promise<HomeLibvirt | undefined> {
  const { machines } = wanted;
  if (machines === undefined) return undefined;
  // Machines of a stack that joins have the name of the other's cluster in theirs.
  const clusterName =
    joins === undefined
      ? ownClusterName(stack.name, config)
      : (await recordedOutputs(contextOf(context, rehearsal, {}), joins)).clusterName;
  const image = {
    cache: context.paths.cache,
    tools: prepared.tools,
    reporter: lineReporter(context),
  };
  const home = await rehearsal.libvirt(
    libvirtOrder(machines, clusterName),
    image,
    prepared.settings.pluginsOf,
  );
  if (home.type === "qemu") {
    context.console.info("virtual machines run on QEMU alone, without KVM: each takes minutes to start");
  }
  return home;
}

interface Ground {
  readonly config: StackFile;
  readonly wanted: RehearsedConfig;
  readonly prepared: PreparedRehearsal;
}

/** @throws InputError where the other stack is not rehearsed */
async function comeInto(rehearsal: Rehearsal, stack: Stack, owner: string): Promise<void> {
  if ((await rehearsal.resume()) === undefined) {
    throw new InputError(
      `\`join\` must be a stack that is rehearsed, got ${owner}, which is not; start it with: ./homespan rehearse ${owner}`,
    );
  }
  await rehearsal.join(stack.name);
}

/** The stack goes first, by its own destroy, as the stand-ins check that nothing is left in their books; then they go. */
async function destroy(
  context: Context,
  stack: Stack,
  { rehearsal, joins }: RehearsalPlace,
  { timeoutMinutes }: RehearseOptions,
): Promise<void> {
  const joined = joins === undefined ? await rehearsal.joined() : [];
  if (joined.length > 0) {
    throw new InputError(
      `rehearse ${stack.name} destroy must come after the stacks that join its cluster, got ${joined.join(", ")}; run: ` +
        joined.map((name) => `./homespan rehearse ${name} destroy`).join(" && "),
    );
  }
  if (!existsSync(rehearsal.folder)) {
    context.console.out(`the rehearsal of ${stack.name} does not exist; nothing to do`);
    return;
  }
  const environment = await resumed(context, rehearsal);
  let names: ReadonlySet<string> = new Set();
  if (environment !== undefined) {
    const inside = contextOf(context, rehearsal, environment);
    const resources = await readResources(inside.paths, stack.name);
    names = homeNames(resources);
    if (resources.length > 0) {
      // The lock of a run that was killed would stop what comes next.
      await recover(inside, stack.name);
      // A disk is protected, as its data would be lost: here there is none.
      const unprotect = ["state", "unprotect", "--all", "--yes", "--stack", stack.name];
      await pulumi(inside, unprotect, { cwd: inside.paths.config });
    }
    const { destroy: destroyStack } = await import("./destroy.ts");
    await destroyStack(inside, stack, { timeoutMinutes });
  }
  // Of a Mac and a libvirt that two stacks have machines on, what this one had.
  const left = joins === undefined ? await rehearsal.ordered() : await rehearsal.leftAtHome(names);
  if (joins !== undefined) await rehearsal.leave(stack.name);
  else {
    await rehearsal.end();
    await rm(rehearsal.folder, { recursive: true, force: true });
    // Goes with the last one, and the state folder with it where nothing else is kept.
    await rmdir(dirname(rehearsal.folder)).catch(() => undefined);
    await removeEmptyState(context.paths);
  }
  if (left.length > 0) {
    throw new Failure(`destroy left this in the rehearsal's books:\n${left.join("\n")}`, { left });
  }
}

/** Of virtual machines and disks at home, as Lima and libvirt know them. */
function homeNames(resources: readonly Resource[]): ReadonlySet<string> {
  const types =
    /^(homespan:index:Lima(Vm|Disk)|libvirt:index\/(domain:Domain|volume:Volume|ignition:Ignition))$/;
  const own = resources.filter(({ type }) => types.test(type));
  return new Set(own.flatMap(({ inputs }) => (typeof inputs?.["name"] === "string" ? [inputs["name"]] : [])));
}

/** The stack is destroyed with the help of its clouds; where those do not come back, what they kept goes with them. */
async function resumed(
  context: Context,
  rehearsal: Rehearsal,
): Promise<Readonly<Record<string, string>> | undefined> {
  try {
    return await rehearsal.resume();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    context.console.warn(`the rehearsed clouds do not come back: ${reason}; the stack goes with them`);
    return undefined;
  }
}

async function look(
  context: Context,
  stack: Stack,
  verb: "status" | "env",
  rehearsal: Rehearsal,
  { settings }: RehearseOptions,
): Promise<void> {
  const environment = await rehearsal.environment();
  if (environment === undefined) {
    throw new InputError(
      `no rehearsal of ${stack.name} runs; start it with: ./homespan rehearse ${stack.name}`,
    );
  }
  const inside = contextOf(context, rehearsal, environment);
  if (verb === "status") {
    const { status } = await import("./status.ts");
    await status(inside, stack);
    return;
  }
  const { env } = await import("./env.ts");
  await env(inside, stack, settings, environment);
}

/** The same command line, inside the rehearsal: its own state, and the stand-ins' addresses. Nothing real can be lost in it. */
function contextOf(
  context: Context,
  rehearsal: Rehearsal,
  additions: Readonly<Record<string, string>>,
): Context {
  const environment = {
    ...context.environment,
    ...additions,
    HOMESPAN_CACHE: context.paths.cache,
    HOMESPAN_STATE: join(rehearsal.folder, "state"),
  };
  return { ...context, environment, paths: resolvePaths(environment, context.paths.checkout), yes: true };
}
