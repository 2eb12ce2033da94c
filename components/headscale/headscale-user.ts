import type * as pulumi from "@pulumi/pulumi";
import { headscaleUserInputs, headscaleUserOutputs } from "../../provider/schema/resources.ts";
import { HomespanResource, type ResourceArgs } from "../shared/homespan-resource.ts";

/** The owner of a cluster's keys at a Headscale server: taken where it is there, made and removed again where it is not. */
export class HeadscaleUser extends HomespanResource {
  declare readonly userId: pulumi.Output<string>;
  /** True when it was made for the cluster. */
  declare readonly made: pulumi.Output<boolean>;

  constructor(
    name: string,
    args: ResourceArgs<typeof headscaleUserInputs>,
    options: pulumi.CustomResourceOptions,
  ) {
    super("HeadscaleUser", name, { inputs: headscaleUserInputs, outputs: headscaleUserOutputs }, args, {
      ...options,
      deleteBeforeReplace: true,
    });
  }
}
