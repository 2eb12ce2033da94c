/** A virtual machine's volumes are named after what they are made of: docs/decisions/0025. */
import * as pulumi from "@pulumi/pulumi";
import { createHash } from "node:crypto";
import type { VirtualMachineArgs } from "./virtual-machine.ts";

export interface VolumeNames {
  readonly base: string;
  readonly system: pulumi.Output<string>;
  readonly ignition: pulumi.Output<string>;
  readonly data: string;
}

/** @param config - the first configuration */
export function volumeNames(
  { machineName, image, systemDiskGiB }: VirtualMachineArgs,
  config: pulumi.Output<string>,
): VolumeNames {
  const generation = config.apply((text) => digest(JSON.stringify([image.sum, text, systemDiskGiB])));
  return {
    base: `${machineName}-base-${digest(image.sum)}.qcow2`,
    system: pulumi.interpolate`${machineName}-system-${generation}.qcow2`,
    ignition: pulumi.interpolate`${machineName}-${generation}.ign`,
    data: `${machineName}-data.qcow2`,
  };
}

/** Twelve digits that stand for a text. */
export function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 12);
}
