import { writeFile } from "node:fs/promises";
import { relative, resolve } from "node:path";
import type { Context } from "../context.ts";
import { firstConfiguration, mediumCommand } from "../installed-machines.ts";
import type { Stack } from "../stack.ts";
import { previewWhole } from "../trial.ts";

export interface IgnitionOptions {
  readonly settings: readonly string[];
  readonly write?: string;
}

/** What a machine with Fedora CoreOS is installed with, without making anything. */
export async function ignition(
  context: Context,
  stack: Stack,
  node: string,
  { settings, write }: IgnitionOptions,
): Promise<void> {
  const { console } = context;
  const preview = await previewWhole(context, stack, "ignition", { settings, base: "committed" });
  const found = firstConfiguration(preview, node, stack.name);
  const { text, device } = found;
  const about = { stack: stack.name, node, device: device ?? null };
  if (write === undefined) {
    console.out(console.json ? JSON.stringify({ ...about, ignition: text }) : text.trimEnd());
    return;
  }
  const file = resolve(write);
  await writeFile(file, text);
  if (console.json) {
    console.out(JSON.stringify({ ...about, path: file }));
    return;
  }
  const shown = relative(process.cwd(), file);
  console.info(
    `wrote ${file}, which holds no secret. docs/fedora-coreos.md says how it is installed; the medium:\n` +
      `  ${mediumCommand(found, shown.startsWith("..") ? file : shown)}\n` +
      `A machine that starts from this medium loses everything on ${device ?? "that disk"}, without being asked.`,
  );
}
