import type * as pulumi from "@pulumi/pulumi";
import { nodeConfigInputs, nodeConfigOutputs } from "../../provider/schema/resources.ts";
import { HomespanResource, type ResourceArgs } from "../shared/homespan-resource.ts";

/** Files of the join layer on a host, by checksum. */
export class NodeConfig extends HomespanResource {
  declare readonly checksums: pulumi.Output<Record<string, string>>;

  constructor(
    name: string,
    args: ResourceArgs<typeof nodeConfigInputs>,
    options: pulumi.CustomResourceOptions,
  ) {
    super("NodeConfig", name, { inputs: nodeConfigInputs, outputs: nodeConfigOutputs }, args, {
      ...options,
      additionalSecretOutputs: ["secretFiles"],
      deleteBeforeReplace: true,
    });
  }
}
