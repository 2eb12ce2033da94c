/** Machines that somebody installs with a first configuration of Homespan's: what that is, and which are waited for. Pure. */
import { z } from "zod";
import type { Resource } from "./deployment.ts";
import { Failure, InputError, didYouMean } from "./errors.ts";
import { unknownValue } from "./node-files.ts";
import { type StackFile, settingOf } from "./settings.ts";

export const installedType = "homespan:index:InstalledMachine";

export interface FirstConfiguration {
  readonly node: string;
  /** Ignition's JSON. */
  readonly text: string;
  /** The disk, where the configuration names it. */
  readonly device?: string;
}

const previewSchema = z.object({
  steps: z
    .array(
      z.object({
        newState: z.object({ type: z.string().default(""), inputs: z.unknown().optional() }).optional(),
      }),
    )
    .default([]),
});
const inputsSchema = z.object({
  nodeName: z.string(),
  firstConfiguration: z.string(),
  device: z.string().optional(),
});

/**
 * From what `pulumi preview --json` says its resources would get.
 *
 * @throws InputError for a node that is no such machine
 * @throws Failure while the cluster's key, which is part of it, was not made
 */
export function firstConfiguration(previewJson: string, node: string, stack: string): FirstConfiguration {
  const { steps } = previewSchema.parse(JSON.parse(previewJson.slice(previewJson.indexOf("{"))));
  const machines = steps.flatMap(({ newState }) => {
    const parsed = inputsSchema.safeParse(newState?.type === installedType ? newState.inputs : undefined);
    return parsed.success ? [parsed.data] : [];
  });
  const found = machines.find(({ nodeName }) => nodeName === node);
  if (found === undefined) {
    const names = machines.map(({ nodeName }) => nodeName).sort();
    const known =
      names.length === 0
        ? `a node with \`coreos\`, and ${stack} has none`
        : `a node with \`coreos\`: ${names.join(", ")}`;
    throw new InputError(`<node> must be ${known}, got "${node}"${didYouMean(node, names)}`);
  }
  if (found.firstConfiguration.includes(unknownValue)) {
    throw new Failure(
      `the key that lets the cluster in is part of it, and was not made yet; run: ./homespan up ${stack}\n` +
        `It makes the key within seconds, then everything that is not to be installed first. Once the key is there, run this again`,
    );
  }
  const { firstConfiguration: text, device } = found;
  return { node, text, ...(device === undefined ? {} : { device }) };
}

/** The medium with which it installs itself. https://coreos.github.io/coreos-installer/customizing-install/ */
export function mediumCommand({ node, device }: FirstConfiguration, file: string): string {
  return (
    `coreos-installer iso customize --dest-device ${device ?? "/dev/disk/by-id/..."} --dest-ignition ${file} ` +
    `-o ${node}.iso FEDORA-COREOS-LIVE.iso`
  );
}

const agentSchema = z.object({
  name: z.string().optional(),
  coreos: z.object({ address: z.string() }),
});

/** A line for each machine that nobody has talked to: a run waits for it, and it may not be installed. */
export function awaited(config: StackFile, resources: readonly Resource[], stack: string): string[] {
  const known = resources
    .filter(({ type }) => type === installedType)
    .map(({ inputs }) => String(inputs?.["nodeName"]));
  return (["server", "agent"] as const).flatMap((role) => {
    const nodes = settingOf(config, `${role}s`);
    if (!Array.isArray(nodes)) return [];
    return nodes.flatMap((node: unknown, index) => {
      const parsed = agentSchema.safeParse(node);
      if (!parsed.success) return [];
      const { name = `${role}-${String(index + 1)}`, coreos } = parsed.data;
      return known.includes(name)
        ? []
        : [
            `${name} is waited for at ${coreos.address}, while everything else goes on; if it is not installed yet: ./homespan ignition ${name} ${stack}`,
          ];
    });
  });
}
