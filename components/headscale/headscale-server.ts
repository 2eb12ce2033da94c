import type * as pulumi from "@pulumi/pulumi";
import { headscaleServerInputs, headscaleServerOutputs } from "../../provider/schema/resources.ts";
import { HomespanResource, type ResourceArgs } from "../shared/homespan-resource.ts";

/** Headscale in a container, with TLS from a CA made for it. */
export class HeadscaleServer extends HomespanResource {
  declare readonly container: pulumi.Output<string>;
  declare readonly volume: pulumi.Output<string>;
  declare readonly url: pulumi.Output<string>;
  declare readonly caCertificate: pulumi.Output<string>;
  declare readonly running: pulumi.Output<boolean>;

  constructor(
    name: string,
    args: ResourceArgs<typeof headscaleServerInputs>,
    options: pulumi.CustomResourceOptions,
  ) {
    super(
      "HeadscaleServer",
      name,
      { inputs: headscaleServerInputs, outputs: headscaleServerOutputs },
      args,
      options,
    );
  }
}
