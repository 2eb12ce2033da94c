import type * as pulumi from "@pulumi/pulumi";
import { vmPlaceInputs, vmPlaceOutputs } from "../../provider/schema/libvirt.ts";
import { HomespanResource, type ResourceArgs } from "../shared/homespan-resource.ts";

/** The place of a virtual machine on its host: all that would be impossible is said before anything is made. */
export class VmPlace extends HomespanResource {
  constructor(name: string, args: ResourceArgs<typeof vmPlaceInputs>, options: pulumi.CustomResourceOptions) {
    super("VmPlace", name, { inputs: vmPlaceInputs, outputs: vmPlaceOutputs }, args, {
      ...options,
      deleteBeforeReplace: true,
    });
  }
}
