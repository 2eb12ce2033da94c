/** The snapshots a stack can be restored from: in its bucket, and on the disks of the servers that answer. */
import { basename } from "node:path";
import type { Outputs } from "../cluster.ts";
import { capture } from "../cluster.ts";
import type { Context } from "../context.ts";
import type { NodeCommands } from "../node-commands.ts";
import { withNodeCommands } from "../node-commands.ts";
import { listBucket } from "./bucket.ts";

export interface Snapshot {
  readonly name: string;
  /** ISO 8601. */
  readonly time: string;
  /** Bytes. */
  readonly size: number;
  /** `s3://bucket/key`, or the server on whose disk it is. */
  readonly where: string;
  /** Of one on a server's own disk. */
  readonly server?: string;
}

/** Newest first. */
export interface Snapshots {
  readonly found: readonly Snapshot[];
  /** Servers that answer. */
  readonly reachable: readonly string[];
}

/** A file of k3s's own naming; what else is in a bucket is not ours. */
const snapshotName = /^[-A-Za-z0-9._]+-\d{9,}(\.zip)?$/;

// %Y is the time of the last change in seconds since 1970.
const localScript =
  "cd /var/lib/rancher/k3s/server/db/snapshots 2>/dev/null && stat -c '%n|%s|%Y' -- * 2>/dev/null; true";

export async function listSnapshots(context: Context, stack: string, outputs: Outputs): Promise<Snapshots> {
  const [remote, servers] = await Promise.all([
    inBucket(context, outputs),
    onServers(context, stack, outputs),
  ]);
  const found = [...remote, ...servers.flatMap(({ snapshots }) => snapshots)];
  return {
    found: found.sort((a, b) => b.time.localeCompare(a.time)),
    reachable: servers.map(({ server }) => server),
  };
}

async function inBucket(context: Context, { snapshotBucket }: Outputs): Promise<Snapshot[]> {
  if (snapshotBucket === undefined || snapshotBucket === null) return [];
  const { bucket, folder } = snapshotBucket;
  const objects = await listBucket(snapshotBucket, context.environment);
  const below = folder === "" ? "" : `${folder}/`;
  return objects
    .filter(
      ({ key, size }) => size > 0 && key === `${below}${basename(key)}` && snapshotName.test(basename(key)),
    )
    .map(({ key, modified, size }) => ({
      ...{ name: basename(key), time: new Date(modified).toISOString(), size },
      where: `s3://${bucket}/${key}`,
    }));
}

/** Of the servers that answer; one that does not may be lost. */
async function onServers(
  context: Context,
  stack: string,
  outputs: Outputs,
): Promise<{ readonly server: string; readonly snapshots: readonly Snapshot[] }[]> {
  const servers = outputs.nodes.filter(({ role }) => role === "server");
  const answers = await withNodeCommands(context, { stack, ...outputs }, (commandsOf) =>
    Promise.all(
      servers.map(async (node) => {
        const answer = await runOn(context, commandsOf(node), ["sh", "-c", localScript]);
        return answer.ok ? [{ server: node.name, snapshots: parseLocal(node.name, answer.text) }] : [];
      }),
    ),
  );
  return answers.flat();
}

/** Runs a command where k3s runs. */
export function runOn(
  context: Context,
  commands: NodeCommands,
  command: readonly string[],
  timeoutMs = 15_000,
): ReturnType<typeof capture> {
  const [program, ...args] = commands.shell(command, false);
  return capture(context, program, args, timeoutMs);
}

export function parseLocal(server: string, text: string): Snapshot[] {
  return text.split("\n").flatMap((line) => {
    const [name = "", size = "", seconds = ""] = line.split("|");
    if (!snapshotName.test(name) || !/^\d+$/.test(seconds)) return [];
    const time = new Date(Number(seconds) * 1000).toISOString();
    return [{ name, time, size: Number(size), where: server, server }];
  });
}
