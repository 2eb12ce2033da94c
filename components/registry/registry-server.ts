import type * as pulumi from "@pulumi/pulumi";
import { registryServerInputs, registryServerOutputs } from "../../provider/schema/registry.ts";
import { HomespanResource, type ResourceArgs } from "../shared/homespan-resource.ts";

/** An image registry in a container, on a data volume. */
export class RegistryServer extends HomespanResource {
  declare readonly container: pulumi.Output<string>;
  declare readonly volume: pulumi.Output<string>;
  /** Where the networks of this machine's containers reach it. */
  declare readonly endpoint: pulumi.Output<string>;
  declare readonly running: pulumi.Output<boolean>;

  constructor(
    name: string,
    args: ResourceArgs<typeof registryServerInputs>,
    options: pulumi.CustomResourceOptions,
  ) {
    super(
      "RegistryServer",
      name,
      { inputs: registryServerInputs, outputs: registryServerOutputs },
      args,
      options,
    );
  }
}
