import type * as pulumi from "@pulumi/pulumi";
import { installedMachineInputs, installedMachineOutputs } from "../../provider/schema/machines.ts";
import { HomespanResource, type ResourceArgs } from "../shared/homespan-resource.ts";

/** A machine that somebody installs with a first configuration that is made here: waited for, and known by its data. */
export class InstalledMachine extends HomespanResource {
  /** Of the node's data, which another installation keeps. */
  declare readonly identity: pulumi.Output<string>;
  /** Another one for each installation. */
  declare readonly machineId: pulumi.Output<string>;
  /** The key the machine showed at the first contact. */
  declare readonly knownHostKey: pulumi.Output<string>;

  constructor(
    name: string,
    args: ResourceArgs<typeof installedMachineInputs>,
    options: pulumi.CustomResourceOptions,
  ) {
    super(
      "InstalledMachine",
      name,
      { inputs: installedMachineInputs, outputs: installedMachineOutputs },
      args,
      { ...options, additionalSecretOutputs: ["privateKey"], deleteBeforeReplace: true },
    );
  }
}
