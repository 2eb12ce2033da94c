/** The configuration of the tailnet that a stack joins; every message completes "`field` must". */
import { z } from "zod";
import { name, text } from "./schema-pieces.ts";

const domain = /^(?=.{1,200}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)+$/;
const headscaleUrl = /^https:\/\/[a-z0-9][-a-z0-9.]*[a-z0-9](:\d+)?\/?$/;
const headscaleUrlRule = "be the URL of a Headscale server such as https://headscale.example.com";

const tailscale = {
  kind: z.literal("tailscale"),
  /** MagicDNS suffix of the tailnet, as the DNS page of its admin console shows it. */
  domain: text("be the tailnet's MagicDNS suffix such as tail0a1b2c.ts.net").refine(
    (it) => domain.test(it) && it.endsWith(".ts.net"),
    { error: "be the tailnet's MagicDNS suffix such as tail0a1b2c.ts.net" },
  ),
  /** Who may give the cluster's tags to a device. */
  tagOwners: members(),
  /** Who reaches the API and SSH of the nodes over the tailnet. */
  admins: members(),
  ...policyOwnership(),
};
const headscale = {
  kind: z.literal("headscale"),
  /** As nodes and the machine that runs Pulumi reach it. */
  url: text(headscaleUrlRule).refine((it) => headscaleUrl.test(it) && URL.canParse(it), {
    error: headscaleUrlRule,
  }),
  /** Its `dns.base_domain`. */
  domain: text("be Headscale's base domain such as tailnet.example.com").regex(domain, {
    error: "be Headscale's base domain such as tailnet.example.com",
  }),
  /** PEM file with the CA of its certificate, from this project's folder on. @default the public CAs */
  caFile: text("be the name of a PEM file").min(1, { error: "be the name of a PEM file" }).optional(),
  /** The Headscale user that owns the cluster's keys and tags; made where there is none. @default the cluster's name */
  user: name().optional(),
  /** Who reaches the API and SSH of the nodes over the tailnet. @default nobody but the machine that runs Pulumi */
  admins: members([]),
  ...policyOwnership(),
};

function policyOwnership() {
  return {
    /** Take the place of a policy that was not written here. @default false: such a policy is left alone, and `up` fails */
    adopt: z.boolean({ error: "be true or false" }).default(false),
    /**
     * `own`: the tailnet's policy is the cluster's. `elsewhere`: it is kept elsewhere, with what a preview prints merged
     * into it, and nothing here writes it.
     */
    policy: z.enum(["own", "elsewhere"], { error: "be own or elsewhere" }).default("own"),
  };
}

function members(initial: string[] = ["autogroup:admin"]): z.ZodDefault<z.ZodArray<z.ZodString>> {
  const rule = "be a user, group: or autogroup: such as alice@example.com";
  const member = text(rule).regex(/^((auto)?group:[-a-z0-9]+|[^\s@:]+@[^\s@:]*)$/i, { error: rule });
  return z.array(member, { error: "be a list of users and groups" }).default(initial);
}

export const tailnet = z.discriminatedUnion("kind", [z.strictObject(tailscale), z.strictObject(headscale)], {
  // Said of a mapping with another kind, and of what is no mapping.
  error: ({ input }) =>
    typeof input === "object"
      ? "be tailscale or headscale"
      : "be a mapping with kind, tailscale or headscale",
});

export type TailnetFields = z.output<typeof tailnet>;

/** Keys of the mapping, by its kind. */
export function tailnetKeys(kind: unknown): readonly string[] {
  return Object.keys(kind === "headscale" ? headscale : tailscale);
}
