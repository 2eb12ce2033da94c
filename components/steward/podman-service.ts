import type * as pulumi from "@pulumi/pulumi";
import { podmanServiceInputs, podmanServiceOutputs } from "../../provider/schema/resources.ts";
import { HomespanResource, type ResourceArgs } from "../shared/homespan-resource.ts";

/** The Podman API service of one cluster, through which stewards start their children. */
export class PodmanService extends HomespanResource {
  declare readonly socketDirectory: pulumi.Output<string>;
  declare readonly socketPath: pulumi.Output<string>;
  declare readonly pid: pulumi.Output<number>;

  constructor(
    name: string,
    args: ResourceArgs<typeof podmanServiceInputs>,
    options: pulumi.CustomResourceOptions,
  ) {
    super(
      "PodmanService",
      name,
      { inputs: podmanServiceInputs, outputs: podmanServiceOutputs },
      args,
      options,
    );
  }
}
