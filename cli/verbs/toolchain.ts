import type { Group } from "../../toolchain/types.ts";
import { table } from "../console.ts";
import type { Context } from "../context.ts";
import { InputError, didYouMean } from "../errors.ts";
import { withPulumiEnvironment } from "../pulumi-environment.ts";
import { lineReporter, toolRows } from "../tools.ts";

export interface ToolchainOptions {
  readonly prepare?: boolean;
  readonly group?: readonly string[];
}

const groups: readonly Group[] = [
  "core",
  "bench",
  "test",
  "rehearsal",
  "libvirt",
  "vms",
  "homelab",
  "guest",
  "mac",
  "registry",
];

/** Drops what Go downloaded and compiled, or with `all` every tool and image archive; stacks stay as they are. */
export async function cleanToolchain(context: Context, options: { readonly all?: boolean }): Promise<void> {
  const { clean } = await import("../../toolchain/index.ts");
  const removed = options.all === true ? "all" : "go";
  await clean(removed);
  if (context.console.json) {
    context.console.out(JSON.stringify({ removed }));
    return;
  }
  context.console.out(
    removed === "all"
      ? "removed all tools and image archives; the next run makes them again"
      : "removed the Go caches; tools and images stay",
  );
}

/** Generates sdks/libvirt anew, from the pinned provider. */
export async function generateSdk(context: Context): Promise<void> {
  await context.machine.prepare(context, ["libvirt"]);
  const { generateLibvirtSdk } = await import("../../toolchain/sdk.ts");
  const { checkout, cache } = context.paths;
  await withPulumiEnvironment(context, (environment, temporary) =>
    generateLibvirtSdk({ checkout, cache, environment, temporary, reporter: lineReporter(context) }),
  );
  if (context.console.json) context.console.out(JSON.stringify({ generated: "sdks/libvirt" }));
  else context.console.out("generated sdks/libvirt and its checksums; look at: git diff --stat sdks");
}

/** Lists every tool with version, source, path and size; makes what is missing when asked to. */
export async function toolchain(context: Context, options: ToolchainOptions): Promise<void> {
  const wanted = (options.group ?? ["core"]).map(parseGroup);
  if (options.prepare === true) await context.machine.prepare(context, wanted);
  const rows = await toolRows(context);
  if (context.console.json) {
    context.console.out(JSON.stringify({ tools: rows }));
    return;
  }
  context.console.out(
    table(
      ["TOOL", "GROUP", "VERSION", "SOURCE", "SIZE", "PATH"],
      rows.map(({ tool, group, version, source, path, size }) => [
        tool,
        group,
        version,
        source ?? "not installed",
        size === null ? "-" : `${(size / 2 ** 20).toFixed(1)} MiB`,
        path ?? "-",
      ]),
    ),
  );
}

function parseGroup(name: string): Group {
  const group = groups.find((candidate) => candidate === name);
  if (group !== undefined) return group;
  throw new InputError(
    `\`--group\` must be one of ${groups.join(", ")}, got "${name}"${didYouMean(name, groups)}`,
  );
}
