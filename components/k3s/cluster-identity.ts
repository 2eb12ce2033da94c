import type * as pulumi from "@pulumi/pulumi";
import { clusterIdentityInputs, clusterIdentityOutputs } from "../../provider/schema/resources.ts";
import { HomespanResource, type ResourceArgs } from "../shared/homespan-resource.ts";

/** Join tokens and the identity of one cluster, made before any node exists. */
export class ClusterIdentity extends HomespanResource {
  declare readonly clusterName: pulumi.Output<string>;
  declare readonly clusterId: pulumi.Output<string>;
  declare readonly createdAt: pulumi.Output<string>;
  /** True once any server was seen Ready. */
  declare readonly initialised: pulumi.Output<boolean>;
  /** Secret. */
  declare readonly serverToken: pulumi.Output<string>;
  /** Secret. */
  declare readonly agentToken: pulumi.Output<string>;

  constructor(
    name: string,
    args: ResourceArgs<typeof clusterIdentityInputs>,
    options: pulumi.CustomResourceOptions,
  ) {
    super("ClusterIdentity", name, { inputs: clusterIdentityInputs, outputs: clusterIdentityOutputs }, args, {
      ...options,
      additionalSecretOutputs: ["serverToken", "agentToken"],
    });
  }
}
