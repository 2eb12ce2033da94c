/** From `podNetwork` and k3s's `cluster-cidr` to what the pods' network needs to be. */
import { defaultPodCidr, type PodNetwork, type PodRoutes } from "../components/render/pod-network.ts";
import { tailnetRange } from "../components/upstream/tailscale.ts";
import { contains, parseNetwork, type Network } from "./cidr.ts";
import { fieldPath, type Problem } from "./grammar.ts";

type ExtraConfig = Readonly<Record<"server", Readonly<Record<string, unknown>>>>;
interface Fields {
  readonly podNetwork: PodNetwork;
  readonly extraConfig: ExtraConfig;
}

/** Undefined with VXLAN. */
export function podRoutesOf({ podNetwork, extraConfig }: Fields): PodRoutes | undefined {
  if (podNetwork !== "routes") return undefined;
  const chosen = podCidrOption(extraConfig);
  return { podCidr: typeof chosen === "string" ? chosen : defaultPodCidr };
}

/** What the user says of `cluster-cidr`; undefined for k3s's own. */
export function podCidrOption({ server }: ExtraConfig): unknown {
  return server["cluster-cidr"];
}

/** The tailnet's policy names the network that routes lead into, and each node gets a /24 of it. */
export function onePodCidr({ podNetwork, extraConfig: { server } }: Fields): Problem[] {
  if (podNetwork !== "routes") return [];
  const rule =
    "be one IPv4 network of /8 to /23 by its own address, " +
    `outside of the tailnet's ${tailnetRange}, with \`podNetwork: routes\``;
  return Object.entries(server).flatMap(([key, got]) => {
    if (key.replace(/\+$/, "") !== "cluster-cidr") return [];
    const network = key === "cluster-cidr" && typeof got === "string" ? parseNetwork(got) : undefined;
    return network !== undefined && fits(network)
      ? []
      : [{ field: fieldPath(["extraConfig", "server", key]), rule, got }];
  });
}

function fits(network: Network): boolean {
  const tailnet = parseNetwork(tailnetRange);
  const apart = tailnet === undefined || !(contains(tailnet, network) || contains(network, tailnet));
  return apart && network.exact && network.prefix >= 8 && network.prefix <= 23;
}
