/** Brings a cluster back from a snapshot of etcd: all servers begin anew with it, agents stay. */
import { clusterOutputs } from "../cluster.ts";
import type { Outputs } from "../cluster.ts";
import type { Context } from "../context.ts";
import { readResources } from "../deployment.ts";
import { Failure, InputError, didYouMean } from "../errors.ts";
import type { CommandedNodes } from "../node-commands.ts";
import { usualLibrary, withNodeCommands } from "../node-commands.ts";
import { recordedNodes } from "../nodes.ts";
import { recover, withStack } from "../operation.ts";
import type { Snapshot } from "../snapshots/list.ts";
import { listSnapshots, runOn } from "../snapshots/list.ts";
import type { RestoreOrder } from "../snapshots/order.ts";
import {
  forgetOrder,
  newOrder,
  openOrder,
  orderText,
  rememberOrder,
  restoreVariable,
} from "../snapshots/order.ts";
import type { StrangersPatience } from "../snapshots/strangers.ts";
import { removeStrangers } from "../snapshots/strangers.ts";
import { awaitSmokeTest } from "../smoke-test.ts";
import type { Stack } from "../stack.ts";
import { composeConfig } from "../state.ts";
import { prepareMachine, up } from "./up.ts";

export interface RestoreOptions {
  /** Its name, or `latest`. @default the restore that was begun, else `latest` */
  readonly snapshot?: string;
  readonly timeoutMinutes: number;
}

/** @throws InputError for a snapshot nobody knows; nothing was changed then. */
export async function restore(
  context: Context,
  stack: Stack,
  options: RestoreOptions,
  patience?: StrangersPatience,
): Promise<void> {
  const { paths } = context;
  const outputs = await clusterOutputs(context, stack.name);
  requireMachines(stack, outputs);
  // What would stop `up` is found before the first server is stopped.
  await prepareMachine(context, stack, await composeConfig(paths, stack, [], "last"));
  const begun = options.snapshot === undefined ? await openOrder(paths, stack.name) : undefined;
  if (begun !== undefined) context.console.info(`going on with the restore from ${begun.snapshot}`);
  const order = begun ?? (await choose(context, stack, outputs, options.snapshot ?? "latest"));
  if (order.stopping !== undefined) await stopFormer(context, stack, outputs, order);
  const environment = { ...context.environment, [restoreVariable]: orderText(order) };
  const { timeoutMinutes } = options;
  const run = { settings: [], base: "last", verb: "restore", timeoutMinutes } as const;
  await up({ ...context, yes: true, environment }, stack, run);
  const restored = await clusterOutputs(context, stack.name);
  await removeStrangers(context, stack.name, restored, patience);
  await forgetOrder(paths, stack.name);
  await awaitSmokeTest(context, stack.name, restored.kubeconfig);
}

function requireMachines(stack: Stack, { nodes }: Outputs): void {
  if (nodes.some(({ role, transport }) => role === "server" && transport.kind === "ssh")) return;
  throw new InputError(
    `[stack] must be one whose servers are machines, got ${stack.name}: a container's snapshots are on the volume that would be lost; ./homespan recreate ${stack.name}`,
  );
}

/** Chooses and asks. Nothing is changed yet. */
async function choose(
  context: Context,
  stack: Stack,
  outputs: Outputs,
  wanted: string,
): Promise<RestoreOrder> {
  const snapshots = await listSnapshots(context, stack.name, outputs);
  const snapshot = chosen(snapshots.found, wanted, outputs);
  const servers = outputs.nodes.filter(({ role }) => role === "server").map(({ name }) => name);
  const server =
    snapshot.server ?? servers.find((it) => snapshots.reachable.includes(it)) ?? servers[0] ?? "";
  const { reachable } = snapshots;
  const lost = servers.filter((it) => !reachable.includes(it));
  await confirm(context, stack, snapshot, { reachable, lost });
  const from = snapshot.server === undefined ? "s3" : "local";
  const nodes = await addresses(context, stack, outputs, lost);
  return newOrder({ server, from, snapshot: snapshot.name, nodes, stopping: [...reachable] });
}

/**
 * Stops the former cluster; from here on it goes forward only. The order is remembered first: a restore that ends in the middle is
 * gone on with, and nobody's `up` comes in between.
 */
async function stopFormer(
  context: Context,
  stack: Stack,
  outputs: Outputs,
  { stopping = [], ...order }: RestoreOrder,
): Promise<void> {
  const { paths } = context;
  await withStack(context, stack, "restore", async () => {
    await recover(context, stack.name);
    await rememberOrder(paths, stack.name, { ...order, stopping });
    const left = await stopServers(context, { stack: stack.name, ...outputs }, stopping);
    if (left.length > 0) {
      throw new Failure(
        [
          "k3s could not be stopped, and a server that runs on would let others join the cluster of before:",
          ...left.map((line) => `  ${line}`),
          `fix: go on with ./homespan restore ${stack.name}; where such a server is lost for good: ./homespan restore ${stack.name} --snapshot ${order.snapshot}`,
        ].join("\n"),
      );
    }
    await rememberOrder(paths, stack.name, order);
  });
}

/** By which the restored cluster's Nodes are told from those of machines that the snapshot alone knows. */
async function addresses(
  { paths }: Context,
  stack: Stack,
  { nodes }: Outputs,
  lost: readonly string[],
): Promise<Record<string, string>> {
  const recorded = recordedNodes(nodes, await readResources(paths, stack.name));
  return Object.fromEntries(recorded.map(({ name, address }) => [name, lost.includes(name) ? "" : address]));
}

/** Of those in the bucket where there is one: what is on a server may be older. */
function chosen(found: readonly Snapshot[], wanted: string, { snapshotBucket }: Outputs): Snapshot {
  const remote = found.filter(({ server }) => server === undefined);
  const candidates = snapshotBucket == null ? found : [...remote, ...found];
  const snapshot = wanted === "latest" ? candidates[0] : candidates.find(({ name }) => name === wanted);
  if (snapshot !== undefined) return snapshot;
  if (found.length === 0) {
    throw new Failure(
      "there is no snapshot to restore from: none in a bucket, none on a server that answers",
    );
  }
  const names = found.map(({ name }) => name);
  throw new InputError(
    `\`--snapshot\` must be latest or one that \`snapshot list\` shows, got "${wanted}"${didYouMean(wanted, names)}`,
  );
}

async function confirm(
  context: Context,
  { name: stack }: Stack,
  { name, time, where }: Snapshot,
  { reachable, lost }: { readonly reachable: readonly string[]; readonly lost: readonly string[] },
): Promise<void> {
  const { console } = context;
  console.info(`restoring ${stack} from ${name} of ${time} (${where})`);
  console.info(
    `everything the cluster was told after that is lost; volumes of pods are left as they are. Servers: ${[
      ...reachable.map((server) => `${server} begins anew`),
      ...lost.map((server) => `${server} does not answer and is made again if it is gone`),
    ].join(", ")}`,
  );
  if (context.yes) return;
  if (!console.interactive) throw new InputError(`restore ${stack} asks first; without a terminal add --yes`);
  if (!(await console.ask(`Restore ${stack} and lose what came after ${time}?`))) {
    throw new Failure("nothing was changed");
  }
}

/** Stops k3s where it is not stopped already. Returns those on which it could not be, each with the reason. */
async function stopServers(
  context: Context,
  commanded: CommandedNodes,
  names: readonly string[],
): Promise<string[]> {
  return withNodeCommands(context, commanded, async (commandsOf) => {
    const nodes = commanded.nodes.filter(({ name }) => names.includes(name));
    const answers = await Promise.all(
      nodes.map(async (node) => {
        const { transport } = node;
        const library = (transport.kind === "ssh" ? transport.library : undefined) ?? usualLibrary;
        const answer = await runOn(context, commandsOf(node), [`${library}/k3s-stop`], 90_000);
        return answer.ok ? [] : [`${node.name}: ${answer.text}`];
      }),
    );
    return answers.flat();
  });
}
