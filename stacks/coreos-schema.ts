/** A node on Fedora CoreOS that somebody installs, field by field; every message completes "`field` must". */
import { z } from "zod";
import { existing } from "./existing-schema.ts";
import { device, machineNode } from "./schema-pieces.ts";

export const coreos = {
  /** Where SSH answers once it is installed, as seen from where Pulumi runs. */
  address: existing.address,
  /** Port where SSH answers there. */
  port: existing.port,
  /** The place the machine stands in; machines of one site share a network. */
  site: existing.site,
  /** The key the machine must show. @default the one it shows at the first contact */
  hostKey: existing.hostKey,
  /** The disk it is installed on, which loses everything then. @default left to whoever installs it */
  device: device().optional(),
};
export const coreosKeys: readonly string[] = Object.keys(coreos);

export const coreosNode = machineNode({
  coreos: z.strictObject(coreos, { error: "be a mapping with address and site" }),
});
export const coreosNodeKeys: readonly string[] = Object.keys(coreosNode);
export type CoreosNodeFields = z.output<z.ZodObject<typeof coreosNode>>;
