/** What a rehearsal needs of this machine: tools, images, and for virtual machines a processor of their image's kind. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Group } from "../toolchain/types.ts";
import type { Context } from "./context.ts";
import { toolEnvironment } from "./environment.ts";
import { Failure } from "./errors.ts";
import type { RehearsedConfig } from "./rehearsed-config.ts";

export type PreparedRehearsal = Awaited<ReturnType<typeof prepareRehearsal>>;

/**
 * Tools and images, and what of them a rehearsal is started with.
 *
 * @throws Failure where something of it cannot be had
 */
export async function prepareRehearsal(
  context: Context,
  { mac, machines }: Pick<RehearsedConfig, "mac" | "machines">,
  { registry }: { readonly registry: boolean } = { registry: false },
) {
  const groups: readonly Group[] = [
    ...(["core", "rehearsal"] as const),
    ...(registry ? (["registry"] as const) : []),
    ...(mac === undefined ? [] : (["mac"] as const)),
    ...(machines === undefined ? [] : (["homelab", "guest"] as const)),
  ];
  const { machine, tools, images } = await context.machine.prepare(context, groups);
  if (machines !== undefined) insistOnMachines(context, machine.arch);
  const tool = (name: string): { path: string; version: string } => {
    const found = tools.find((row) => row.tool === name);
    if (found?.path == null)
      throw new Failure(`${name} is not installed; run: ./homespan toolchain --prepare`);
    return { path: found.path, version: found.version };
  };
  const cluster = toolEnvironment(context.paths, context.environment);
  const settings = {
    cache: join(context.paths.cache, "rehearsal"),
    arch: machine.arch,
    programs: {
      ...{ k3s: tool("k3s"), tailscale: tool("tailscale"), tailscaled: tool("tailscaled") },
      versitygw: tool("versitygw"),
    },
    imagesDirectory: images.length === 0 ? undefined : cluster["HOMESPAN_CLUSTER_IMAGES"],
    pluginsOf: join(context.paths.cache, "pulumi-home"),
  };
  return { tool, tools, settings };
}

/** @throws Failure where virtual machines cannot be rehearsed */
function insistOnMachines({ paths }: Context, arch: string): void {
  if (arch !== "amd64") {
    throw new Failure(`virtual machines must be rehearsed on amd64, as their image is for it, got ${arch}`);
  }
  // Pulumi's bridge would download it when it is asked for it, and from within a rehearsal nothing can be.
  if (!existsSync(join(paths.cache, "terraform"))) {
    throw new Failure(
      "libvirt's Terraform provider must be in the cache to be rehearsed with; run: HOMESPAN_SOURCE=modules ./homespan toolchain --prepare --group homelab",
    );
  }
}
