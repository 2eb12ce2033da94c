import type * as pulumi from "@pulumi/pulumi";
import { vmImageInputs, vmImageOutputs } from "../../provider/schema/libvirt.ts";
import { HomespanResource, type ResourceArgs } from "../shared/homespan-resource.ts";

/** An image for virtual machines, on the machine that runs Pulumi: there only with the right sum and the right signature. */
export class VmImage extends HomespanResource {
  /** The file. Where it is differs from machine to machine. */
  declare readonly path: pulumi.Output<string>;
  /** SHA-256 of the file. */
  readonly sum: string;

  constructor(
    name: string,
    args: ResourceArgs<typeof vmImageInputs> & { readonly sha256: string },
    options: pulumi.CustomResourceOptions = {},
  ) {
    super("VmImage", name, { inputs: vmImageInputs, outputs: vmImageOutputs }, args, options);
    this.sum = args.sha256;
  }
}
