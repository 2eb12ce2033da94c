/** Rules of a stack of machines about its tailnet. */
import type { PodNetwork } from "../components/render/pod-network.ts";
import { fieldPath, type Problem } from "./grammar.ts";
import { podCidrOption } from "./pod-network.ts";
import type { Rule } from "./schema-check.ts";
import type { TailnetFields } from "./tailnet-schema.ts";

interface Fields {
  readonly tailnet: TailnetFields;
  readonly podNetwork: PodNetwork;
  readonly extraConfig: { readonly server: Readonly<Record<string, unknown>> };
}

type Tailnet = Pick<Fields, "tailnet">;

export const tailnetRules: readonly Rule<Fields>[] = [
  { needs: ["tailnet"], check: oneWayWithThePolicy },
  { needs: ["tailnet"], check: definedGroups },
  { needs: ["tailnet"], check: noRolesAtHeadscale },
  { needs: ["tailnet"], check: domainBesideServer },
  { needs: ["tailnet", "podNetwork", "extraConfig"], check: podsOfOneCluster },
];

function oneWayWithThePolicy({ tailnet }: Tailnet): Problem[] {
  const rule = "be false with `policy: elsewhere`, which leaves the tailnet's policy alone";
  return tailnet.adopt && tailnet.policy === "elsewhere" ? [{ field: "tailnet.adopt", rule, got: true }] : [];
}

/** Groups are defined in the policy, and the cluster's own defines none. */
function definedGroups({ tailnet }: Tailnet): Problem[] {
  if (tailnet.policy === "elsewhere") return [];
  const rule =
    "be a user or an autogroup: the cluster's own policy defines no groups, `policy: elsewhere` may";
  const owners = tailnet.kind === "tailscale" ? { tagOwners: tailnet.tagOwners } : {};
  return Object.entries({ ...owners, admins: tailnet.admins }).flatMap(([key, members]) =>
    members.flatMap((got, index) =>
      got.startsWith("group:") ? [{ field: fieldPath(["tailnet", key, index]), rule, got }] : [],
    ),
  );
}

/** https://headscale.net/stable/ref/policy/#autogroups */
function noRolesAtHeadscale({ tailnet }: Tailnet): Problem[] {
  if (tailnet.kind !== "headscale") return [];
  const rule = "be a user such as alice@, a group or autogroup:member: Headscale knows no roles";
  return tailnet.admins.flatMap((got, index) =>
    got.startsWith("autogroup:") && got !== "autogroup:member"
      ? [{ field: fieldPath(["tailnet", "admins", index]), rule, got }]
      : [],
  );
}

/** Of two clusters with the same network of pods, one tailnet would send all packets to one. */
function podsOfOneCluster({ tailnet, podNetwork, extraConfig }: Fields): Problem[] {
  if (podNetwork !== "routes" || tailnet.policy !== "elsewhere") return [];
  const rule =
    "be set with `podNetwork: routes` and `policy: elsewhere`, to a network that no other route of the tailnet touches";
  return podCidrOption(extraConfig) === undefined
    ? [{ field: fieldPath(["extraConfig", "server", "cluster-cidr"]), rule }]
    : [];
}

/** Headscale does not start with such a domain: nobody would reach it any more (isSafeServerURL in hscontrol/types). */
function domainBesideServer({ tailnet }: Tailnet): Problem[] {
  if (tailnet.kind !== "headscale") return [];
  const { hostname } = new URL(tailnet.url);
  const rule = `be the server's dns.base_domain, which is never its own name or above it (${hostname})`;
  return hostname === tailnet.domain || hostname.endsWith(`.${tailnet.domain}`)
    ? [{ field: "tailnet.domain", rule, got: tailnet.domain }]
    : [];
}
