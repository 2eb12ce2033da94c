/** A restore that was begun: remembered until it is done, so that one that was killed goes on. */
import { randomBytes } from "node:crypto";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { InputError } from "../errors.ts";
import type { Paths } from "../paths.ts";
import { writePrivate } from "../state.ts";

/** Tells the provider of one run what to restore from (provider/logic/restore-order.ts). */
export const restoreVariable = "HOMESPAN_RESTORE";

const orderSchema = z.strictObject({
  id: z.string(),
  /** The server that begins with the snapshot. */
  server: z.string(),
  from: z.enum(["s3", "local"]),
  snapshot: z.string(),
  /** The stack's nodes with their addresses in the tailnet; `""` where the machine is lost. */
  nodes: z.record(z.string(), z.string()).default({}),
  /** Servers of the former cluster that are to be stopped first, while not all of them are: no run has had the order yet. */
  stopping: z.array(z.string()).optional(),
});
export type RestoreOrder = z.infer<typeof orderSchema>;

export function orderFile(paths: Paths, stack: string): string {
  return join(paths.config, `Restore.${stack}.json`);
}

/** `undefined` when no restore of the stack is under way. */
export async function openOrder(paths: Paths, stack: string): Promise<RestoreOrder | undefined> {
  const text = await readFile(orderFile(paths, stack), "utf8").catch(() => "");
  return text === "" ? undefined : orderSchema.parse(JSON.parse(text));
}

export function newOrder(order: Omit<RestoreOrder, "id">): RestoreOrder {
  return { id: randomBytes(6).toString("hex"), ...order };
}

export async function rememberOrder(paths: Paths, stack: string, order: RestoreOrder): Promise<void> {
  await writePrivate(orderFile(paths, stack), JSON.stringify(order));
}

/** What a run gets in {@link restoreVariable}: all but what is done before it. */
export function orderText({ stopping: _stopping, ...order }: RestoreOrder): string {
  return JSON.stringify(order);
}

export async function forgetOrder(paths: Paths, stack: string): Promise<void> {
  await rm(orderFile(paths, stack), { force: true });
}

/** @throws InputError while a restore is under way: whoever comes in between would meet half a cluster. */
export async function refuseWhileRestoring(paths: Paths, stack: string): Promise<void> {
  const order = await openOrder(paths, stack);
  if (order === undefined) return;
  throw new InputError(
    `a restore of ${stack} from ${order.snapshot} was begun and has not ended; go on with it: ./homespan restore ${stack}`,
  );
}
