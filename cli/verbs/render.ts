import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { Context } from "../context.ts";
import { Failure } from "../errors.ts";
import type { NodeFile } from "../node-files.ts";
import { nodeFiles } from "../node-files.ts";
import type { Stack } from "../stack.ts";
import { previewWhole } from "../trial.ts";

export interface RenderOptions {
  readonly settings: readonly string[];
  readonly out?: string;
}

/** Shows every file a node would get, without making anything. */
export async function render(
  context: Context,
  stack: Stack,
  node: string,
  options: RenderOptions,
): Promise<void> {
  const text = await previewWhole(context, stack, "render", { settings: options.settings, base: "last" });
  const files = nodeFiles(text, node);
  if (options.out !== undefined) await writeFiles(context, files, options.out);
  else if (context.console.json) context.console.out(JSON.stringify({ stack: stack.name, node, files }));
  else context.console.out(files.map(show).join("\n"));
}

function show({ path, content, remark }: NodeFile): string {
  return `==> /data/${path}${remark === undefined ? "" : ` (${remark})`}\n${content.trimEnd()}\n`;
}

async function writeFiles(context: Context, files: readonly NodeFile[], out: string): Promise<void> {
  const folder = resolve(out);
  const known = files.filter(({ unknown }) => unknown !== true);
  const written = new Set<string>();
  for (const { path, content } of known) {
    // The second form of a file, for a cluster that is initialised already, lies beside the first.
    const target = join(folder, written.has(path) ? `${path}.initialised` : path);
    written.add(path);
    if (!target.startsWith(`${folder}/`)) throw new Failure(`refusing to write outside ${folder}: ${path}`);
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, content);
  }
  if (context.console.json) context.console.out(JSON.stringify({ folder, files: [...written].sort() }));
  else context.console.info(`wrote ${String(known.length)} files below ${folder}`);
}
