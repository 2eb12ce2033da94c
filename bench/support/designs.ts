/** The designs of the data path (docs/decisions/0024), each brought about on one and the same cluster. */
import { nodeTag } from "../../components/render/names.ts";
import { defaultPodCidr, type PodNetwork } from "../../components/render/pod-network.ts";
import { run } from "./command.ts";
import type { HomespanCluster } from "./homespan.ts";
import { setPolicy, siteAddress, type Network } from "./network.ts";
import { smoke } from "./workload.ts";

/** `lan` is a prototype by hand; nothing of it is in a cluster. The others are those of `podNetwork`. */
export const designs = ["vxlan", "routes", "lan"] as const;
export type Design = (typeof designs)[number];

export const designNames: Readonly<Record<Design, string>> = {
  vxlan: "VXLAN",
  routes: "routes",
  lan: "LAN and routes",
};

/** Before the LAN's routes, so that they come before those of tailscaled (5270), and no default route does. */
const lanRule = ["pref", "5265", "to", defaultPodCidr, "table", "main", "suppress_prefixlength", "0"];

const backends = { vxlan: "vxlan", routes: "extension" } as const;
const settleSeconds = 180;

/** Brings the cluster to the design, with pods that were made in it. */
export async function bringAbout(cluster: HomespanCluster, design: PodNetwork): Promise<void> {
  await cluster.up([`podNetwork=${design}`]);
  await openTailnet(cluster, design);
  const { namespace, deployment } = smoke;
  await patiently(`every node's flannel is ${design}`, async () => {
    const path = String.raw`jsonpath={.items[*].metadata.annotations.flannel\.alpha\.coreos\.com/backend-type}`;
    const found = (await cluster.kubectl(["get", "nodes", "-o", path])).trim().split(" ");
    if (!found.every((it) => it === backends[design])) throw new Error(found.join(" "));
  });
  await patiently("new pods run", async () => {
    await cluster.kubectl(["delete", "pods", "-n", namespace, "--all", "--wait"]);
    const rollout = ["rollout", "status", "-n", namespace, `deployment/${deployment}`, "--timeout=60s"];
    await cluster.kubectl(rollout);
  });
}

/** k3s is being restarted: what is asked may fail for a while. */
async function patiently(what: string, attempt: () => Promise<void>): Promise<void> {
  const started = performance.now();
  for (;;) {
    try {
      await attempt();
      return;
    } catch (error) {
      if (performance.now() - started > settleSeconds * 1000) throw new Error(what, { cause: error });
    }
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

/**
 * Lets every node reach every port of every other, until the next `up`: the cluster's own policy opens exactly what a
 * cluster needs, and the plain end of the comparison listens elsewhere.
 */
async function openTailnet(cluster: HomespanCluster, podNetwork: PodNetwork): Promise<void> {
  const tags = (["server", "agent"] as const).map((role) => nodeTag(cluster.name, role));
  const pods = podNetwork === "routes" ? [defaultPodCidr] : [];
  await setPolicy(cluster, {
    tagOwners: Object.fromEntries(tags.map((tag) => [tag, ["homespan@"]])),
    autoApprovers: { routes: Object.fromEntries(pods.map((cidr) => [cidr, tags])) },
    grants: [{ src: [...tags, ...pods], dst: [...tags, ...pods], ip: ["*"] }],
  });
}

/** A node's network, its pods' network and its address on its site's LAN. */
export interface SiteNode {
  readonly network: Network;
  readonly podCidr: string;
  readonly lan: Awaited<ReturnType<typeof siteAddress>>;
}

export async function siteNode(cluster: HomespanCluster, node: string, network: Network): Promise<SiteNode> {
  const podCidr = await cluster.kubectl(["get", "node", node, "-o", "jsonpath={.spec.podCIDR}"]);
  return { network, podCidr: podCidr.trim(), lan: await siteAddress(network) };
}

/**
 * What flannel's host-gw would do on the LAN of a site, with the tailnet's routes to pods elsewhere: each node gets a route to the
 * pods of its neighbours by their LAN addresses, and a rule that puts these before tailscaled's.
 *
 * @returns takes all of it back.
 */
export async function keepOnLan(nodes: readonly SiteNode[]): Promise<() => Promise<void>> {
  const ip = async (node: SiteNode, args: readonly string[]): Promise<void> => {
    await run("nsenter", [`--net=${node.network.namespace}`, "--", "ip", ...args]);
  };
  const change = async (verb: "add" | "del"): Promise<void> => {
    for (const node of nodes) {
      await ip(node, ["rule", verb, ...lanRule]);
      for (const other of nodes) {
        if (other === node || other.lan.network !== node.lan.network) continue;
        await ip(node, ["route", verb, other.podCidr, "via", other.lan.address, "dev", node.lan.device]);
      }
    }
  };
  await change("add");
  return () => change("del");
}
