/** Which stack a command is about. */
import { readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import { InputError, didYouMean } from "./errors.ts";
import type { Paths } from "./paths.ts";

export interface Stack {
  readonly name: string;
  /** Whose committed `Pulumi.<topology>.yaml` it is made from. */
  readonly topology: string;
}

/** What a new stack is made from when nothing is said. */
export const defaultTopology = "ci";

/**
 * The stack meant by `[stack]` and `--name`.
 *
 * `[stack]` names a topology, which is also the stack's name unless `--name` says otherwise; an existing stack can be named alone.
 */
export async function resolveStack(
  paths: Paths,
  positional: string | undefined,
  name: string | undefined,
): Promise<Stack> {
  const topologies = listTopologies(paths);
  const given = positional ?? defaultTopology;
  const existing = listStacks(paths);
  if (name === undefined && existing.includes(given) && !topologies.includes(given)) {
    return { name: given, topology: await topologyOf(paths, given) };
  }
  if (positional === undefined && name !== undefined && existing.includes(name)) {
    return { name, topology: await topologyOf(paths, name) };
  }
  if (!topologies.includes(given)) {
    throw new InputError(
      `[stack] must be one of ${topologies.join(", ")}, got "${given}"${didYouMean(given, [...topologies, ...existing])}`,
    );
  }
  const stackName = name ?? given;
  if (!/^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$/.test(stackName)) {
    throw new InputError(
      `\`--name\` must be at most 40 lower-case letters, digits and inner hyphens, got "${stackName}"`,
    );
  }
  return { name: stackName, topology: given };
}

/** Stacks that a committed `Pulumi.<name>.yaml` describes. */
export function listTopologies(paths: Paths): string[] {
  return configNames(paths.checkout);
}

/** Stacks of which there is state or config, also when the state was lost. */
export function listStacks(paths: Paths): string[] {
  return configNames(paths.config);
}

function configNames(folder: string): string[] {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch {
    return [];
  }
  return names.flatMap((name) => /^Pulumi\.(.+)\.yaml$/.exec(name)?.[1] ?? []).sort();
}

async function topologyOf(paths: Paths, stack: string): Promise<string> {
  const text = await readFile(join(paths.config, `Pulumi.${stack}.yaml`), "utf8");
  const file = parse(text) as { config?: Record<string, unknown> } | null;
  const topology = file?.config?.["homespan:topology"];
  return typeof topology === "string" ? topology : stack;
}

/** The project's name in Pulumi.yaml. */
export async function projectName(paths: Paths): Promise<string> {
  const project = parse(await readFile(join(paths.checkout, "Pulumi.yaml"), "utf8")) as { name: string };
  return project.name;
}
