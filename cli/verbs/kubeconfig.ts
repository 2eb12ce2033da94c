import { existsSync } from "node:fs";
import { chown, copyFile, mkdir, realpath, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { capture, clusterOutputs, withKubeconfig } from "../cluster.ts";
import type { Context } from "../context.ts";
import { Failure } from "../errors.ts";
import type { Stack } from "../stack.ts";
import { writePrivate } from "../state.ts";

export interface KubeconfigOptions {
  readonly write?: string;
  readonly merge?: boolean;
}

/** Prints the admin kubeconfig, writes it to a file, or merges it into the user's own. */
export async function kubeconfig(context: Context, stack: Stack, options: KubeconfigOptions): Promise<void> {
  const { console } = context;
  const { kubeconfig: text } = await clusterOutputs(context, stack.name);
  if (options.write !== undefined) {
    const file = resolve(options.write);
    await writePrivate(file, text);
    if (console.json) console.out(JSON.stringify({ stack: stack.name, path: file }));
    else console.info(`wrote ${file}; use it with: export KUBECONFIG=${file}`);
  } else if (options.merge === true) {
    const file = await merge(context, text);
    if (console.json) console.out(JSON.stringify({ stack: stack.name, path: file }));
    else console.info(`merged into ${file}`);
  } else if (console.json) {
    console.out(JSON.stringify({ stack: stack.name, kubeconfig: text }));
  } else {
    console.out(text.trimEnd());
  }
}

/**
 * The new cluster wins over an entry of the same name, and becomes the current context; the file before is kept beside it.
 * Returns the file: the first that KUBECONFIG names, else the one in the home folder.
 *
 * @throws Failure when kubectl cannot read what is there, which is left as it was
 */
async function merge(context: Context, text: string): Promise<string> {
  const { environment } = context;
  const [named = join(environment["HOME"] ?? homedir(), ".kube", "config")] = (
    environment["KUBECONFIG"] ?? ""
  )
    .split(delimiter)
    .filter((name) => name !== "");
  await mkdir(dirname(named), { recursive: true, mode: 0o700 });
  // Who keeps it elsewhere, behind a link, finds it there afterwards.
  const target = existsSync(named) ? await realpath(named) : named;
  const merged = await withKubeconfig(context, text, (file) => {
    const both = { ...context, environment: { ...environment, KUBECONFIG: `${file}${delimiter}${target}` } };
    return capture(both, "kubectl", ["config", "view", "--flatten"]);
  });
  if (merged.missing === true) {
    throw new Failure("kubectl is not installed yet; run: ./homespan toolchain --prepare");
  }
  if (!merged.ok) {
    throw new Failure(
      `kubectl could not merge the cluster into ${named}, which is as it was: ${merged.text}`,
    );
  }
  await replace(target, `${merged.text}\n`);
  return named;
}

/** Keeps what was there beside it, and both its owner's: with sudo, this is root in the home folder of another. */
async function replace(target: string, text: string): Promise<void> {
  if (!existsSync(target)) return writePrivate(target, text);
  const { uid, gid } = await stat(target);
  const before = `${target}.before-homespan`;
  await copyFile(target, before);
  await writePrivate(target, text);
  if (process.getuid?.() !== 0) return;
  for (const file of [before, target]) await chown(file, uid, gid);
}
