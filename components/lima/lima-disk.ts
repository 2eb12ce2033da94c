import type * as pulumi from "@pulumi/pulumi";
import { limaDiskInputs, limaDiskOutputs } from "../../provider/schema/lima.ts";
import { HomespanResource, type ResourceArgs } from "../shared/homespan-resource.ts";

/** The disk of a node's data on a Mac. It outlives the virtual machine, and is protected. */
export class LimaDisk extends HomespanResource {
  declare readonly identity: pulumi.Output<string>;

  constructor(
    name: string,
    args: ResourceArgs<typeof limaDiskInputs>,
    options: pulumi.CustomResourceOptions,
  ) {
    super("LimaDisk", name, { inputs: limaDiskInputs, outputs: limaDiskOutputs }, args, {
      protect: true,
      ...options,
      additionalSecretOutputs: ["mac"],
      deleteBeforeReplace: true,
    });
  }
}
