import * as pulumi from "@pulumi/pulumi";
import type { z } from "zod";

/** Every property of a schema's input as Pulumi takes it: plain, a promise or an output. */
export type ResourceArgs<Schema extends z.ZodObject> = {
  readonly [Key in keyof z.input<Schema>]: pulumi.Input<z.input<Schema>[Key]>;
};

interface ResourceSchema {
  readonly inputs: z.ZodObject;
  readonly outputs: z.ZodObject;
}

/**
 * A resource of the homespan provider. The subclasses add nothing but the names of their outputs: what they are and
 * what they do is said in provider/schema and done in provider/.
 */
export abstract class HomespanResource extends pulumi.CustomResource {
  protected constructor(
    type: string,
    name: string,
    schema: ResourceSchema,
    args: Readonly<Record<string, unknown>>,
    options: pulumi.CustomResourceOptions,
  ) {
    super(`homespan:index:${type}`, name, { ...outputProperties(schema), ...args }, options);
  }
}

/** Pulumi fills in exactly the outputs it is told about, as `undefined`. */
function outputProperties(schema: ResourceSchema): Record<string, undefined> {
  const outputs = Object.keys(schema.outputs.shape).filter((key) => !(key in schema.inputs.shape));
  return Object.fromEntries(outputs.map((key) => [key, undefined]));
}
