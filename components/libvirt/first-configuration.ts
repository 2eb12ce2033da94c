import type * as pulumi from "@pulumi/pulumi";
import { firstConfigurationInputs, firstConfigurationOutputs } from "../../provider/schema/libvirt.ts";
import { HomespanResource, type ResourceArgs } from "../shared/homespan-resource.ts";

/** What a machine finds at its first start, kept until `keepers` change (as those of Pulumi's random provider). */
export class FirstConfiguration extends HomespanResource {
  declare readonly config: pulumi.Output<string>;

  constructor(
    name: string,
    args: ResourceArgs<typeof firstConfigurationInputs>,
    options: pulumi.CustomResourceOptions,
  ) {
    const schema = { inputs: firstConfigurationInputs, outputs: firstConfigurationOutputs };
    super("FirstConfiguration", name, schema, args, options);
  }
}
