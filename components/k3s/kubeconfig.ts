import type * as pulumi from "@pulumi/pulumi";
import { kubeconfigInputs, kubeconfigOutputs } from "../../provider/schema/resources.ts";
import { HomespanResource, type ResourceArgs } from "../shared/homespan-resource.ts";

/** The admin kubeconfig, with the first endpoint that answers. */
export class Kubeconfig extends HomespanResource {
  declare readonly endpoint: pulumi.Output<string>;
  /** Secret. */
  declare readonly kubeconfig: pulumi.Output<string>;

  constructor(
    name: string,
    args: ResourceArgs<typeof kubeconfigInputs>,
    options: pulumi.CustomResourceOptions,
  ) {
    super("Kubeconfig", name, { inputs: kubeconfigInputs, outputs: kubeconfigOutputs }, args, {
      ...options,
      additionalSecretOutputs: ["kubeconfig"],
    });
  }
}
