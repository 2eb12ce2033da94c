import type * as pulumi from "@pulumi/pulumi";
import { membershipInputs, membershipOutputs } from "../../provider/schema/resources.ts";
import { HomespanResource, type ResourceArgs } from "../shared/homespan-resource.ts";

/** The membership of one node: created when the Node is Ready and labelled; its delete is the orderly removal. */
export class Membership extends HomespanResource {
  declare readonly ready: pulumi.Output<boolean>;
  declare readonly tailnetAddress: pulumi.Output<string>;
  declare readonly deviceId: pulumi.Output<string>;
  declare readonly nodeUid: pulumi.Output<string>;

  constructor(
    name: string,
    args: ResourceArgs<typeof membershipInputs>,
    options: pulumi.CustomResourceOptions,
  ) {
    super("Membership", name, { inputs: membershipInputs, outputs: membershipOutputs }, args, {
      ...options,
      additionalSecretOutputs: ["kubeconfig"],
      // The new node carries the old one's name: removing the old one afterwards would remove the new one.
      deleteBeforeReplace: true,
    });
  }
}
