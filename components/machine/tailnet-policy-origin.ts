import type * as pulumi from "@pulumi/pulumi";
import { tailnetPolicyOriginInputs, tailnetPolicyOriginOutputs } from "../../provider/schema/machines.ts";
import { HomespanResource, type ResourceArgs } from "../shared/homespan-resource.ts";

/** Whether the policy a tailnet has was written here for this cluster, also by a run that was killed. */
export class TailnetPolicyOrigin extends HomespanResource {
  declare readonly own: pulumi.Output<boolean>;

  constructor(
    name: string,
    args: ResourceArgs<typeof tailnetPolicyOriginInputs>,
    options: pulumi.CustomResourceOptions,
  ) {
    super(
      "TailnetPolicyOrigin",
      name,
      { inputs: tailnetPolicyOriginInputs, outputs: tailnetPolicyOriginOutputs },
      args,
      options,
    );
  }
}
