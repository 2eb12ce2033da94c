/** An agent on a machine that exists already, field by field; every message completes "`field` must". */
import { z } from "zod";
import { machineNode, site, text, wholeNumber } from "./schema-pieces.ts";

const addressRule = "be a host name or an IP address such as 192.168.1.20, without user and port";
const hostKeyRule =
  "be the machine's public host key such as ssh-ed25519 AAAA..., as ssh-keyscan and /etc/ssh/ssh_host_ed25519_key.pub show it";

export const existing = {
  /** Where SSH answers, as seen from where Pulumi runs. */
  address: text(addressRule).regex(/^[a-z0-9]([-a-z0-9.:]*[a-z0-9])?$/i, { error: addressRule }),
  /** Port where SSH answers there. */
  port: wholeNumber(1, 65535, "be a port from 1 to 65535").default(22),
  /** Who logs in: root, or a user who becomes root by sudo without a password. */
  user: text("be text")
    .regex(/^[a-z_][a-z0-9_-]{0,31}$/, { error: "be the name of a user there such as pi" })
    .default("root"),
  /** The place the machine stands in; machines of one site share a network. */
  site: site("the machine"),
  /** The key the machine must show. @default the one it shows at the first contact */
  hostKey: text(hostKeyRule)
    .regex(/^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)) [A-Za-z0-9+/]{40,}={0,2}( .*)?$/, {
      error: hostKeyRule,
    })
    .optional(),
  /** `cluster`: the machine's own firewall decides about all but the cluster's ports. `closed`: nothing but SSH is reached from outside. */
  firewall: z.enum(["cluster", "closed"], { error: "be cluster or closed" }).default("cluster"),
};
export const existingKeys: readonly string[] = Object.keys(existing);

export const existingNode = machineNode({
  existing: z.strictObject(existing, { error: "be a mapping with address and site" }),
});
export const existingNodeKeys: readonly string[] = Object.keys(existingNode);
export type ExistingNodeFields = z.output<z.ZodObject<typeof existingNode>>;
