import type * as pulumi from "@pulumi/pulumi";
import { tailnetDeviceInputs, tailnetDeviceOutputs } from "../../provider/schema/machines.ts";
import { HomespanResource, type ResourceArgs } from "../shared/homespan-resource.ts";

/**
 * A machine's place in a tailnet that outlives the stack: empty when the machine gets its key, so that its name is free,
 * and empty again when it is gone.
 */
export class TailnetDevice extends HomespanResource {
  /** Another one each time the machine has to log in anew. */
  declare readonly generation: pulumi.Output<string>;

  constructor(
    name: string,
    args: ResourceArgs<typeof tailnetDeviceInputs>,
    options: pulumi.CustomResourceOptions,
  ) {
    super("TailnetDevice", name, { inputs: tailnetDeviceInputs, outputs: tailnetDeviceOutputs }, args, {
      ...options,
      // The new machine bears the old one's name.
      deleteBeforeReplace: true,
    });
  }
}
