import type * as pulumi from "@pulumi/pulumi";
import type { Transport } from "../../provider/schema/common.ts";
import { machineBootInputs, machineBootOutputs } from "../../provider/schema/machines.ts";
import { HomespanResource, type ResourceArgs } from "../shared/homespan-resource.ts";

/** What makes a node of a bare machine with systemd, from the first contact by SSH on. */
export class MachineBoot extends HomespanResource {
  declare readonly identity: pulumi.Output<string>;
  /** The key the machine showed at the first contact. */
  declare readonly hostKey: pulumi.Output<string>;
  /** Secret, as it holds the key. */
  declare readonly transport: pulumi.Output<Transport>;
  declare readonly reachable: pulumi.Output<boolean>;

  constructor(
    name: string,
    args: ResourceArgs<typeof machineBootInputs>,
    options: pulumi.CustomResourceOptions,
  ) {
    super("MachineBoot", name, { inputs: machineBootInputs, outputs: machineBootOutputs }, args, {
      ...options,
      additionalSecretOutputs: ["privateKey", "authKey", "transport"],
      deleteBeforeReplace: true,
    });
  }
}
