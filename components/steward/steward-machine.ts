import type * as pulumi from "@pulumi/pulumi";
import type { Transport } from "../../provider/schema/common.ts";
import {
  stewardLoginInputs,
  stewardLoginOutputs,
  stewardNodeInputs,
  stewardNodeOutputs,
  stewardVolumeInputs,
  stewardVolumeOutputs,
} from "../../provider/schema/resources.ts";
import { HomespanResource, type ResourceArgs } from "../shared/homespan-resource.ts";

/** The data volume of a steward node: the node's identity lives here. */
export class StewardVolume extends HomespanResource {
  declare readonly volumeName: pulumi.Output<string>;
  /** Another id is another volume, and another identity. */
  declare readonly volumeId: pulumi.Output<string>;

  constructor(
    name: string,
    args: ResourceArgs<typeof stewardVolumeInputs>,
    options: pulumi.CustomResourceOptions,
  ) {
    super(
      "StewardVolume",
      name,
      { inputs: stewardVolumeInputs, outputs: stewardVolumeOutputs },
      args,
      // The new volume bears the old one's name.
      { ...options, deleteBeforeReplace: true },
    );
  }
}

/** The pod of a steward node with the steward in it; disposable, all state is on the volume. */
export class StewardMachine extends HomespanResource {
  declare readonly podName: pulumi.Output<string>;
  declare readonly identity: pulumi.Output<string>;
  declare readonly transport: pulumi.Output<Transport>;
  declare readonly running: pulumi.Output<boolean>;

  constructor(
    name: string,
    args: ResourceArgs<typeof stewardNodeInputs>,
    options: pulumi.CustomResourceOptions,
  ) {
    super("StewardNode", name, { inputs: stewardNodeInputs, outputs: stewardNodeOutputs }, args, {
      ...options,
      deleteBeforeReplace: true,
    });
  }
}

/** What the machine needs to enter its tailnet, delivered to it when there is a control server to get it from. */
export class StewardLogin extends HomespanResource {
  constructor(
    name: string,
    args: ResourceArgs<typeof stewardLoginInputs>,
    options: pulumi.CustomResourceOptions,
  ) {
    super("StewardLogin", name, { inputs: stewardLoginInputs, outputs: stewardLoginOutputs }, args, {
      ...options,
      additionalSecretOutputs: ["authKey"],
    });
  }
}
