import type { Context } from "../context.ts";
import type { Resource } from "../deployment.ts";
import { readResources } from "../deployment.ts";
import { Failure, InputError, didYouMean } from "../errors.ts";
import { describeDifferences, holdsSecrets } from "../settings.ts";
import type { Stack } from "../stack.ts";
import { composeConfig } from "../state.ts";
import { checkProgram } from "../trial.ts";
import { destroy } from "./destroy.ts";
import { prepareMachine, up } from "./up.ts";

export interface RecreateOptions {
  readonly settings: readonly string[];
  readonly timeoutMinutes: number;
  readonly node?: string;
}

/** Destroys the stack and brings it up again, or does so with one node and its data. */
export async function recreate(context: Context, stack: Stack, options: RecreateOptions): Promise<void> {
  const config = await composeConfig(context.paths, stack, options.settings, "last");
  const committed = await composeConfig(context.paths, stack, []);
  for (const difference of describeDifferences(committed, config)) {
    context.console.info(`config other than committed: ${difference}`);
  }
  if (options.node !== undefined) {
    await recreateNode(context, stack, options.node, options);
    return;
  }
  // What would stop the second half is found before the first one, which loses the data.
  await prepareMachine(context, stack, config);
  await checkProgram(context, stack.name, config);
  const quiet: Context = context.console.json
    ? { ...context, console: { ...context.console, out: context.console.info } }
    : context;
  // What is encrypted in it is opened by its salt and the passphrase alone, which would go with the stack.
  await destroy(quiet, stack, { ...options, keepConfig: holdsSecrets(config) });
  await up({ ...context, yes: true }, stack, { ...options, settings: [], base: config, verb: "recreate" });
}

async function recreateNode(
  context: Context,
  stack: Stack,
  node: string,
  options: RecreateOptions,
): Promise<void> {
  const machines = machinesOf(await readResources(context.paths, stack.name));
  const names = machines.map((machine) => machine.node);
  const machine = machines.find((it) => it.node === node);
  if (machine === undefined) {
    const known =
      names.length === 0 ? `a node of stack ${stack.name}, which has none` : `one of ${names.join(", ")}`;
    throw new InputError(`\`--node\` must be ${known}, got "${node}"${didYouMean(node, names)}`);
  }
  context.console.info(
    machine.keeps === undefined
      ? `${node} will be removed from the cluster with all data on its ${machine.data}, then made again under the same name`
      : `the machine of ${node} will be made again; its data is on ${machine.keeps}, which is protected and kept, so it stays the same node`,
  );
  if (!context.yes) {
    if (!context.console.interactive)
      throw new InputError(`recreate --node ${node} asks first; without a terminal add --yes`);
    const question =
      machine.keeps === undefined ? `Recreate ${node} and lose its data?` : `Recreate ${node}?`;
    if (!(await context.console.ask(question))) throw new Failure("nothing was changed");
  }
  await up({ ...context, yes: true }, stack, {
    ...options,
    base: "last",
    verb: "recreate",
    pulumiArguments: ["--replace", machine.urn],
  });
}

/** What a node is made again with. */
interface Machine {
  readonly node: string;
  /** Replacing this one replaces the machine. */
  readonly urn: string;
  /** Where data is that goes. */
  readonly data: string;
  /** Name of the disk with the node's data, where it outlives the machine. */
  readonly keeps?: string;
}

function machinesOf(resources: readonly Resource[]): Machine[] {
  const disks = resources.filter(({ type }) => type === "aws:lightsail/disk:Disk");
  return resources.flatMap((resource): Machine[] => {
    const { urn, type, inputs } = resource;
    if (type === "homespan:index:StewardVolume") {
      return [{ node: String(inputs?.["nodeName"]), urn, data: "volume" }];
    }
    if (type === "homespan:index:ExistingMachine" || type === "homespan:index:InstalledMachine") {
      return [{ node: String(inputs?.["nodeName"]), urn, data: "machine" }];
    }
    if (type === "homespan:index:LimaVm") {
      const { nodeName, dataDisk } = inputs ?? {};
      return [{ node: String(nodeName), urn, data: "machine", keeps: String(dataDisk) }];
    }
    if (type === "libvirt:index/domain:Domain") return virtualMachine(urn, resources);
    const node = type === "aws:lightsail/instance:Instance" ? taggedNode(resource) : undefined;
    if (node === undefined) return [];
    const disk = disks.find((it) => taggedNode(it) === node);
    return [
      { node, urn, data: "machine", ...(disk === undefined ? {} : { keeps: String(disk.inputs?.["name"]) }) },
    ];
  });
}

/** Its disks stay. One that has no disk for its data is not among them: what is on the other would be called lost, and is not. */
function virtualMachine(urn: string, resources: readonly Resource[]): Machine[] {
  const node =
    urn
      .split("::")
      .at(-1)
      ?.replace(/-vm-domain$/, "") ?? "";
  const data = resources.find(
    (it) => it.type === "libvirt:index/volume:Volume" && it.urn.endsWith(`::${node}-vm-data`),
  );
  return data === undefined ? [] : [{ node, urn, data: "machine", keeps: String(data.inputs?.["name"]) }];
}

function taggedNode({ inputs }: Resource): string | undefined {
  const tags = inputs?.["tags"];
  const node =
    typeof tags === "object" && tags !== null && "homespan.node" in tags ? tags["homespan.node"] : undefined;
  return typeof node === "string" ? node : undefined;
}
