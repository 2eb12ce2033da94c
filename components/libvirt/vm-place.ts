import * as pulumi from "@pulumi/pulumi";
import { vmPlaceInputs, vmPlaceOutputs } from "../../provider/schema/libvirt.ts";
import { HomespanResource, type ResourceArgs } from "../shared/homespan-resource.ts";

/** The place of a virtual machine on its host: all that would be impossible is said before anything is made. */
export class VmPlace extends HomespanResource {
  /** The URI that the host had when the place was taken: it stays when the host is reached by another. */
  readonly host: pulumi.Output<string>;
  declare private readonly firstUri: pulumi.Output<string | undefined>;
  declare private readonly uri: pulumi.Output<string>;

  constructor(name: string, args: ResourceArgs<typeof vmPlaceInputs>, options: pulumi.CustomResourceOptions) {
    super("VmPlace", name, { inputs: vmPlaceInputs, outputs: vmPlaceOutputs }, args, {
      ...options,
      deleteBeforeReplace: true,
    });
    // A state of before does not have it.
    this.host = pulumi.all([this.firstUri, this.uri]).apply(([first, uri]) => first ?? uri);
  }
}
