import { copyFile, mkdir } from "node:fs/promises";
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { execa } from "execa";
import { clusterOutputs, withKubeconfig } from "../cluster.ts";
import type { Context } from "../context.ts";
import { childEnvironment } from "../environment.ts";
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

/** The new cluster wins over an entry of the same name; the file before is kept beside it. Returns the file. */
async function merge(context: Context, text: string): Promise<string> {
  const target =
    (context.environment["KUBECONFIG"] ?? "").split(":")[0] || join(homedir(), ".kube", "config");
  await mkdir(dirname(target), { recursive: true, mode: 0o700 });
  const merged = await withKubeconfig(context, text, async (file) => {
    const result = await execa("kubectl", ["config", "view", "--flatten"], {
      env: { ...childEnvironment(context.paths, context.environment), KUBECONFIG: `${file}:${target}` },
      extendEnv: false,
      reject: false,
    });
    if (result.failed) throw new Failure(`kubectl could not merge the files: ${result.stderr}`);
    return result.stdout;
  });
  if (existsSync(target)) await copyFile(target, `${target}.before-homespan`);
  await writePrivate(target, `${merged}\n`);
  return target;
}
