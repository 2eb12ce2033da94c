import type * as pulumi from "@pulumi/pulumi";
import { tailnetOperatorInputs, tailnetOperatorOutputs } from "../../provider/schema/machines.ts";
import { HomespanResource, type ResourceArgs } from "../shared/homespan-resource.ts";

/** This machine's own way into a tailnet, with a proxy on 127.0.0.1 for what answers there alone. */
export class TailnetOperator extends HomespanResource {
  /** `http://127.0.0.1:PORT` */
  declare readonly proxyUrl: pulumi.Output<string>;
  declare readonly directory: pulumi.Output<string>;
  declare readonly running: pulumi.Output<boolean>;

  constructor(
    name: string,
    args: ResourceArgs<typeof tailnetOperatorInputs>,
    options: pulumi.CustomResourceOptions,
  ) {
    super("TailnetOperator", name, { inputs: tailnetOperatorInputs, outputs: tailnetOperatorOutputs }, args, {
      ...options,
      additionalSecretOutputs: ["authKey"],
      deleteBeforeReplace: true,
    });
  }
}
