import type * as pulumi from "@pulumi/pulumi";
import { limaVmInputs, limaVmOutputs } from "../../provider/schema/lima.ts";
import { HomespanResource, type ResourceArgs } from "../shared/homespan-resource.ts";

/** A virtual machine that Lima runs on a Mac. */
export class LimaVm extends HomespanResource {
  /** Another one each time it is made. */
  declare readonly machineId: pulumi.Output<string>;

  constructor(name: string, args: ResourceArgs<typeof limaVmInputs>, options: pulumi.CustomResourceOptions) {
    super("LimaVm", name, { inputs: limaVmInputs, outputs: limaVmOutputs }, args, {
      ...options,
      additionalSecretOutputs: ["mac"],
      // The next one bears its name, and takes its disk.
      deleteBeforeReplace: true,
    });
  }
}
