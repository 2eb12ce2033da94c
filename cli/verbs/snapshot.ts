/** Takes a snapshot of etcd now, or lists those there are. */
import { clusterOutputs } from "../cluster.ts";
import type { Outputs } from "../cluster.ts";
import { table } from "../console.ts";
import type { Context } from "../context.ts";
import { Failure } from "../errors.ts";
import { withNodeCommands } from "../node-commands.ts";
import type { Snapshot } from "../snapshots/list.ts";
import { listSnapshots, runOn } from "../snapshots/list.ts";
import type { Stack } from "../stack.ts";

/** k3s waits this long for S3 by itself, and a little more for etcd. */
const SAVE_MILLISECONDS = 330_000;

/** @throws Failure when no server takes one, or it did not reach the bucket. */
export async function takeSnapshot(context: Context, stack: Stack): Promise<void> {
  const outputs = await clusterOutputs(context, stack.name);
  const { server, name } = await save(context, stack.name, outputs);
  const { found } = await listSnapshots(context, stack.name, outputs);
  const named = found.filter((snapshot) => snapshot.name === name);
  const bucket = outputs.snapshotBucket?.bucket;
  const taken = named.find((snapshot) => bucket === undefined || snapshot.server === undefined);
  if (taken === undefined) {
    const where = bucket === undefined ? `on ${server}` : `in the bucket ${bucket}`;
    throw new Failure(
      `the snapshot ${name} was taken and is not ${where}; why: ./homespan ssh --stack ${stack.name} ${server} -- journalctl -u k3s`,
    );
  }
  if (context.console.json) {
    context.console.out(
      JSON.stringify({ command: "snapshot", stack: stack.name, succeeded: true, ...taken }),
    );
    return;
  }
  context.console.out(snapshotTable([taken]));
}

export async function showSnapshots(context: Context, stack: Stack): Promise<void> {
  const outputs = await clusterOutputs(context, stack.name);
  const { found } = await listSnapshots(context, stack.name, outputs);
  if (context.console.json) {
    context.console.out(JSON.stringify({ command: "snapshot list", stack: stack.name, snapshots: found }));
  } else if (found.length === 0) {
    context.console.info(`there are no snapshots of ${stack.name} where one could be found`);
  } else {
    context.console.out(snapshotTable(found));
  }
}

/** The first server that takes one. */
async function save(
  context: Context,
  stack: string,
  outputs: Outputs,
): Promise<{ server: string; name: string }> {
  const servers = outputs.nodes.filter(({ role }) => role === "server");
  return withNodeCommands(context, { stack, ...outputs }, async (commandsOf) => {
    const reasons: string[] = [];
    for (const node of servers) {
      const command = ["sh", "-c", "k3s etcd-snapshot save --name on-demand 2>&1"];
      const answer = await runOn(context, commandsOf(node), command, SAVE_MILLISECONDS);
      const name = /Snapshot (\S+) saved/.exec(answer.text)?.[1];
      if (name !== undefined) return { server: node.name, name };
      reasons.push(`${node.name}: ${answer.text.split("\n").at(-1) ?? ""}`);
    }
    throw new Failure(`no server takes a snapshot:\n${reasons.map((it) => `  ${it}`).join("\n")}`);
  });
}

function snapshotTable(snapshots: readonly Snapshot[]): string {
  return table(
    ["NAME", "TIME", "SIZE", "WHERE"],
    snapshots.map(({ name, time, size, where }) => [name, time, `${(size / 2 ** 20).toFixed(1)} MiB`, where]),
  );
}
