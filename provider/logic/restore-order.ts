/** An order to restore a cluster from a snapshot of etcd: what `./homespan restore` tells one run of Pulumi, and servers get as a file. */
import { z } from "zod";
import type { ArchivedFile } from "../effects/archive.ts";

/** Names the order as JSON, for one run: what is restored once is neither configuration nor state. */
export const restoreVariable = "HOMESPAN_RESTORE";

/** Below a server's data directory; boot/machine/restore.sh carries it out and removes it. */
const ORDER_FILE = "restore.conf";

const line = z.string().regex(/^[-A-Za-z0-9._]+$/, "must be letters, digits, '-', '_' or '.'");

const orderSchema = z.strictObject({
  /** Another one for every order. */
  id: line,
  /** The node that begins with the snapshot. */
  server: line,
  /** `local`: on that server's own disk. */
  from: z.enum(["s3", "local"]),
  /** Its name there. */
  snapshot: line,
  /** The stack's nodes with their addresses in the tailnet; `""` where the machine is lost. None: Nodes are left as they are. */
  nodes: z.record(line, z.union([z.literal(""), line])).default({}),
});
export type RestoreOrder = z.output<typeof orderSchema>;

/**
 * @param text of {@link restoreVariable}; nothing for a run that restores nothing
 * @throws Error when it is no order
 */
export function readRestoreOrder(text: string | undefined): RestoreOrder | undefined {
  if (text === undefined || text === "") return undefined;
  try {
    return orderSchema.parse(JSON.parse(text));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`\`${restoreVariable}\` must be what ./homespan restore sets: ${reason}`, {
      cause: error,
    });
  }
}

/** The order as a server gets it. */
export function restoreFile({ id, server, from, snapshot, nodes }: RestoreOrder): ArchivedFile {
  const pairs = Object.entries(nodes).map(([name, address]) => `${name}=${address}`);
  const content = `ID=${id}\nSERVER=${server}\nFROM=${from}\nSNAPSHOT=${snapshot}\nNODES=${pairs.join(" ")}\n`;
  return { path: ORDER_FILE, content, mode: 0o600 };
}
