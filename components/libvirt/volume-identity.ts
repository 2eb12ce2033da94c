import type * as pulumi from "@pulumi/pulumi";
import { volumeIdentityInputs, volumeIdentityOutputs } from "../../provider/schema/libvirt.ts";
import { HomespanResource, type ResourceArgs } from "../shared/homespan-resource.ts";

/** Tells a volume from another that was made later under its name. */
export class VolumeIdentity extends HomespanResource {
  declare readonly identity: pulumi.Output<string>;

  constructor(
    name: string,
    args: ResourceArgs<typeof volumeIdentityInputs>,
    options: pulumi.CustomResourceOptions,
  ) {
    super("VolumeIdentity", name, { inputs: volumeIdentityInputs, outputs: volumeIdentityOutputs }, args, {
      ...options,
      deleteBeforeReplace: true,
    });
  }
}
