/** Temporary files of a run, and the environment of pulumi: its plugins leave files that nobody removes. */
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { isAlive } from "../toolchain/process.ts";
import type { Context } from "./context.ts";
import { childEnvironment } from "./environment.ts";
import type { Paths } from "./paths.ts";
import { untilDone } from "./signals.ts";

/** How many pieces of work of this process use its folder. */
let users = 0;
/** One that begins while the folder goes away makes it anew. */
let removal: Promise<void> = Promise.resolve();

/**
 * Runs `work` with this process's folder for temporary files, which goes away with the last that uses it, also after Ctrl-C.
 * What a killed run left goes with the next run.
 */
export async function withTemporaryFolder<T>(
  { paths }: Pick<Context, "paths">,
  work: (folder: string) => Promise<T>,
): Promise<T> {
  const folder = join(paths.temporary, String(process.pid));
  users += 1;
  return untilDone(async () => {
    try {
      await removal.catch(() => undefined);
      await removeStale(paths);
      await mkdir(folder, { recursive: true, mode: 0o700 });
      return await work(folder);
    } finally {
      users -= 1;
      if (users === 0) {
        removal = rm(folder, { recursive: true, force: true });
        await removal;
      }
    }
  });
}

/**
 * Runs `work` with an environment for a pulumi that starts plugins.
 *
 * Pulumi's Kubernetes plugin writes the admin kubeconfig to a temporary file each time it is configured and leaves it
 * there (writeKubeconfigToFile in pulumi-kubernetes, provider/pkg/provider/util.go).
 */
export function withPulumiEnvironment<T>(
  context: Context,
  work: (environment: Readonly<Record<string, string>>, folder: string) => Promise<T>,
): Promise<T> {
  return withTemporaryFolder(context, (folder) =>
    work({ ...childEnvironment(context.paths, context.environment), TMPDIR: folder }, folder),
  );
}

/** Removes the folders of runs that were killed. */
async function removeStale({ temporary }: Paths): Promise<void> {
  const names = (await readdir(temporary).catch(() => [])).filter((name) => /^\d+$/.test(name));
  for (const name of names.filter((pid) => Number(pid) !== process.pid && !isAlive(Number(pid)))) {
    await rm(join(temporary, name), { recursive: true, force: true });
  }
}
