import type * as pulumi from "@pulumi/pulumi";
import type { z } from "zod";
import { type Mac, limaMacInputs, limaMacOutputs } from "../../provider/schema/lima.ts";
import type { LimaNetwork } from "../render/lima.ts";
import { HomespanResource, type ResourceArgs } from "../shared/homespan-resource.ts";
import type { LimaDriver } from "../upstream/lima.ts";

/** Known before anything runs: it decides by which way the machines there are reached. */
export type LimaMacArgs = ResourceArgs<typeof limaMacInputs> & {
  readonly place: z.input<typeof limaMacInputs>["place"];
};

/** A Mac (or a Linux machine) that runs virtual machines of the cluster's: looked at before any of them is made. */
export class LimaMac extends HomespanResource {
  /** Secret. */
  declare readonly connection: pulumi.Output<Mac>;
  declare readonly vmType: pulumi.Output<LimaDriver>;
  declare readonly network: pulumi.Output<LimaNetwork>;
  declare readonly startAt: pulumi.Output<"boot" | "login" | "off">;

  /** True for the machine that runs Pulumi. */
  readonly isLocal: boolean;

  constructor(name: string, args: LimaMacArgs, options: pulumi.CustomResourceOptions) {
    super("LimaMac", name, { inputs: limaMacInputs, outputs: limaMacOutputs }, args, {
      ...options,
      additionalSecretOutputs: ["privateKey", "connection"],
      deleteBeforeReplace: true,
    });
    this.isLocal = args.place.kind === "local";
  }
}
