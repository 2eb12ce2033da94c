import type * as pulumi from "@pulumi/pulumi";
import { clusterAnchorInputs, clusterAnchorOutputs } from "../../provider/schema/resources.ts";
import { HomespanResource, type ResourceArgs } from "../shared/homespan-resource.ts";

/**
 * Stands for the cluster as a whole and is never replaced. What lives in the cluster is `deletedWith` it, so that
 * destroying the stack drains no node and deletes no object one by one.
 */
export class ClusterAnchor extends HomespanResource {
  constructor(
    name: string,
    args: ResourceArgs<typeof clusterAnchorInputs>,
    options: pulumi.CustomResourceOptions,
  ) {
    super(
      "ClusterAnchor",
      name,
      { inputs: clusterAnchorInputs, outputs: clusterAnchorOutputs },
      args,
      options,
    );
  }
}
