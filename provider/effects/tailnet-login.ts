/** The key with which a node logs in to its tailnet, once. */
import { stuckText } from "../logic/stage.ts";
import type { Transport } from "../schema/common.ts";
import type { ArchivedFile } from "./archive.ts";
import type { NodeAccess } from "./node-files.ts";
import { type Clock, waitFor } from "./wait.ts";

const KEY_FILE = "secrets/authkey";
/** tailscaled is started again and logs in; it waits for its control server for half a minute alone. */
const LOGIN_SECONDS = 120;

export function keyDelivery(authKey: string): ArchivedFile {
  return { path: KEY_FILE, content: authKey, mode: 0o600 };
}

/**
 * Waits until the node has no use for a key any more: the boot sequence deletes it when it has logged in, and unused
 * when it finds that it is logged in anyway.
 */
export async function waitForLogin(
  { nodes, clock }: { readonly nodes: NodeAccess; readonly clock: Clock },
  node: { readonly nodeName: string; readonly transport: Transport },
  signal: AbortSignal,
): Promise<void> {
  const { nodeName, transport } = node;
  const taken = await waitFor(
    async () => ((await nodes.checksums(transport, [KEY_FILE]))?.[KEY_FILE] === "" ? true : undefined),
    { seconds: LOGIN_SECONDS, signal, clock, firstMilliseconds: 500, maximumMilliseconds: 2000 },
  );
  if (taken === true) return;
  const stuck = stuckText(await nodes.stages(transport), clock.now());
  throw new Error(`${nodeName} did not log in with its new key within ${String(LOGIN_SECONDS)} s: ${stuck}`);
}
