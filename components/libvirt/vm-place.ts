import type * as pulumi from "@pulumi/pulumi";
import { vmPlaceInputs, vmPlaceOutputs } from "../../provider/schema/libvirt.ts";
import { HomespanResource, type ResourceArgs } from "../shared/homespan-resource.ts";

/** The place of a virtual machine on its host: all that would be impossible is said before anything is made. */
export class VmPlace extends HomespanResource {
  /** The URI that the host had when the place was taken: it stays when the host is reached by another. */
  readonly host: pulumi.Output<string>;

  constructor(name: string, args: ResourceArgs<typeof vmPlaceInputs>, options: pulumi.CustomResourceOptions) {
    super("VmPlace", name, { inputs: vmPlaceInputs, outputs: vmPlaceOutputs }, args, {
      ...options,
      deleteBeforeReplace: true,
    });
    // Its id is of its creation: `qemu:///system#home-agent-1`.
    this.host = this.id.apply((id) => id.slice(0, id.lastIndexOf("#")));
  }
}
