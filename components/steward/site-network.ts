import type * as pulumi from "@pulumi/pulumi";
import { siteNetworkInputs, siteNetworkOutputs } from "../../provider/schema/resources.ts";
import { HomespanResource, type ResourceArgs } from "../shared/homespan-resource.ts";

/** One site's Podman network, with a rule that drops new connections from given subnets. */
export class SiteNetwork extends HomespanResource {
  declare readonly networkName: pulumi.Output<string>;
  declare readonly subnet: pulumi.Output<string>;
  declare readonly gateway: pulumi.Output<string>;

  constructor(
    name: string,
    args: ResourceArgs<typeof siteNetworkInputs>,
    options: pulumi.CustomResourceOptions,
  ) {
    super("SiteNetwork", name, { inputs: siteNetworkInputs, outputs: siteNetworkOutputs }, args, options);
  }
}
