import type * as pulumi from "@pulumi/pulumi";
import { headscaleKeyInputs, headscaleKeyOutputs } from "../../provider/schema/resources.ts";
import { HomespanResource, type ResourceArgs } from "../shared/homespan-resource.ts";

/** A single-use pre-auth key for one node; its creation removes the devices of the node's former identity. */
export class HeadscaleKey extends HomespanResource {
  declare readonly keyId: pulumi.Output<string>;
  /** Secret. */
  declare readonly key: pulumi.Output<string>;

  constructor(
    name: string,
    args: ResourceArgs<typeof headscaleKeyInputs>,
    options: pulumi.CustomResourceOptions,
  ) {
    super("HeadscaleKey", name, { inputs: headscaleKeyInputs, outputs: headscaleKeyOutputs }, args, {
      ...options,
      additionalSecretOutputs: ["key"],
      deleteBeforeReplace: true,
    });
  }
}
