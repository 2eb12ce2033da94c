/** The environment of pulumi when it starts plugins: theirs are the temporary files that nobody removes. */
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Context } from "./context.ts";
import { childEnvironment } from "./environment.ts";

/**
 * Runs `work` with a folder for temporary files that goes away with it.
 *
 * Pulumi's Kubernetes plugin writes the admin kubeconfig to a temporary file each time it is configured and leaves it
 * there (writeKubeconfigToFile in pulumi-kubernetes, provider/pkg/provider/util.go).
 */
export async function withPulumiEnvironment<T>(
  context: Context,
  work: (environment: Readonly<Record<string, string>>) => Promise<T>,
): Promise<T> {
  const { paths } = context;
  await removeStale(context);
  const folder = join(paths.temporary, String(process.pid));
  await mkdir(folder, { recursive: true, mode: 0o700 });
  try {
    return await work({ ...childEnvironment(paths, context.environment), TMPDIR: folder });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Removes the folders of runs that were killed. */
async function removeStale({ paths, machine }: Context): Promise<void> {
  const names = (await readdir(paths.temporary).catch(() => [])).filter((name) => /^\d+$/.test(name));
  if (names.length === 0) return;
  const running = new Set(machine.processes().map(({ pid }) => String(pid)));
  for (const name of names.filter((pid) => !running.has(pid))) {
    await rm(join(paths.temporary, name), { recursive: true, force: true });
  }
}
