/** One site: a Podman network, and the rule that keeps other sites from opening connections to it. */
import type { Effects } from "../effects/effects.ts";
import { CLUSTER_LABEL, type NetworkFound } from "../effects/podman.ts";
import { removeNetwork } from "../effects/removal.ts";
import { objectNames, ownObject } from "../logic/ownership.ts";
import { ruleHolds, siteTable } from "../logic/site-rule.ts";
import { siteNetworkInputs, siteNetworkOutputs } from "../schema/resources.ts";
import { resource } from "../server/resource.ts";

export function siteNetwork({ podman, firewall }: Effects) {
  const find = async (cluster: string, name: string): Promise<NetworkFound | undefined> =>
    ownObject("network", await podman.list("networks"), name, cluster);

  const applyRule = async (table: string, subnet: string, denied: readonly string[]): Promise<void> => {
    if (denied.length === 0) await firewall.remove(table);
    else await firewall.replace(table, siteTable(table, subnet, denied));
  };

  return resource({
    type: "homespan:index:SiteNetwork",
    inputs: siteNetworkInputs,
    outputs: siteNetworkOutputs,
    secretOutputs: [],
    replaceOn: ["clusterName", "site"],
    createOnly: [],
    drift: (state) => (state.ruleInPlace ? [] : ["ruleInPlace"]),
    async create(inputs) {
      const { clusterName, site, denyFromSubnets } = inputs;
      const name = objectNames.network(clusterName, site);
      if ((await find(clusterName, name)) === undefined) {
        await podman.command([
          ...["network", "create", "--label", `${CLUSTER_LABEL}=${clusterName}`],
          ...["--label", `homespan.site=${site}`, name],
        ]);
      }
      const network = await find(clusterName, name);
      if (network === undefined) throw new Error(`network ${name} disappeared right after it was created`);
      if (denyFromSubnets.length > 0) {
        await applyRule(objectNames.firewallTable(clusterName, site), network.subnet, denyFromSubnets);
      }
      const { subnet, gateway } = network;
      return { id: name, outputs: { ...inputs, networkName: name, subnet, gateway, ruleInPlace: true } };
    },
    async read(state) {
      const network = await find(state.clusterName, state.networkName);
      if (network === undefined) return undefined;
      const { subnet, gateway } = network;
      const denied = state.denyFromSubnets;
      const table = objectNames.firewallTable(state.clusterName, state.site);
      const ruleInPlace = denied.length === 0 || ruleHolds(await firewall.list(table), subnet, denied);
      return { ...state, subnet, gateway, ruleInPlace };
    },
    async update(state, inputs) {
      const table = objectNames.firewallTable(inputs.clusterName, inputs.site);
      await applyRule(table, state.subnet, inputs.denyFromSubnets);
      return { ...state, ...inputs, ruleInPlace: true };
    },
    async delete(state) {
      const removed = firewall.remove(objectNames.firewallTable(state.clusterName, state.site));
      // A run that was killed may have left a rule that no state tells of; where nft is missing there is none.
      await (state.denyFromSubnets.length > 0 ? removed : removed.catch(() => undefined));
      await removeNetwork(podman, state.clusterName, state.networkName);
    },
  });
}
