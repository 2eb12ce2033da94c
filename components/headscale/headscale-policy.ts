import type * as pulumi from "@pulumi/pulumi";
import { headscalePolicyInputs, headscalePolicyOutputs } from "../../provider/schema/resources.ts";
import { HomespanResource, type ResourceArgs } from "../shared/homespan-resource.ts";

/** The tailnet's policy, checked by Headscale before it takes effect; set again when it was changed by hand. */
export class HeadscalePolicy extends HomespanResource {
  /** SHA-256 of the policy in force. */
  declare readonly found: pulumi.Output<string>;

  constructor(
    name: string,
    args: ResourceArgs<typeof headscalePolicyInputs>,
    options: pulumi.CustomResourceOptions,
  ) {
    super(
      "HeadscalePolicy",
      name,
      { inputs: headscalePolicyInputs, outputs: headscalePolicyOutputs },
      args,
      options,
    );
  }
}
