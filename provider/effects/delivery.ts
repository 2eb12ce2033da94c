/** Files for a machine that may have been started a moment ago. */
import type { Transport } from "../schema/common.ts";
import type { CallContext } from "../server/resource.ts";
import type { ArchivedFile } from "./archive.ts";
import type { Effects } from "./effects.ts";
import { waitFor } from "./wait.ts";

const SECONDS = 20;

/** Puts files on a node, with retries: a steward that was started may not run yet. */
export async function deliver(
  { nodes, clock }: Pick<Effects, "nodes" | "clock">,
  transport: Transport,
  files: readonly ArchivedFile[],
  { signal }: CallContext,
): Promise<void> {
  let last: unknown;
  const done = await waitFor(
    () =>
      nodes.put(transport, files).then(
        () => true,
        (error: unknown) => {
          last = error;
          return undefined;
        },
      ),
    { seconds: SECONDS, signal, clock, firstMilliseconds: 200 },
  );
  if (done === undefined) throw last;
}
