import type * as pulumi from "@pulumi/pulumi";
import { sshKeyInputs, sshKeyOutputs } from "../../provider/schema/machines.ts";
import { HomespanResource, type ResourceArgs } from "../shared/homespan-resource.ts";

/** The key pair with which Pulumi reaches the machines of one cluster. */
export class SshKey extends HomespanResource {
  declare readonly publicKey: pulumi.Output<string>;
  /** Secret. PEM. */
  declare readonly privateKey: pulumi.Output<string>;

  constructor(name: string, args: ResourceArgs<typeof sshKeyInputs>, options: pulumi.CustomResourceOptions) {
    super("SshKey", name, { inputs: sshKeyInputs, outputs: sshKeyOutputs }, args, {
      ...options,
      additionalSecretOutputs: ["privateKey"],
    });
  }
}
