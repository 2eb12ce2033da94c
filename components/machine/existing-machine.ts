import type * as pulumi from "@pulumi/pulumi";
import { existingMachineInputs, existingMachineOutputs } from "../../provider/schema/machines.ts";
import { HomespanResource, type ResourceArgs } from "../shared/homespan-resource.ts";

/** A machine that somebody else set up: looked at, then made one that can be commanded, and left as it was found. */
export class ExistingMachine extends HomespanResource {
  /** Of the node's data in /data. */
  declare readonly identity: pulumi.Output<string>;
  declare readonly machineId: pulumi.Output<string>;
  /** The key the machine showed at the first contact. */
  declare readonly knownHostKey: pulumi.Output<string>;
  /** Ports its sshd listens on. */
  declare readonly sshPorts: pulumi.Output<number[]>;

  constructor(
    name: string,
    args: ResourceArgs<typeof existingMachineInputs>,
    options: pulumi.CustomResourceOptions,
  ) {
    super("ExistingMachine", name, { inputs: existingMachineInputs, outputs: existingMachineOutputs }, args, {
      ...options,
      additionalSecretOutputs: ["privateKey"],
      deleteBeforeReplace: true,
    });
  }
}
