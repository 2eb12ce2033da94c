/** Nodes on machines with Fedora CoreOS. */
import { CoreosHost } from "../components/coreos/coreos-host.ts";
import { fedoraCoreosPlaces } from "../components/render/fedora-coreos.ts";
import type { CoreosNode } from "./home-config.ts";
import type { HomeMaker } from "./home-hosts.ts";

export const takeCoreos: HomeMaker<CoreosNode> = (nodes, _home, parts) =>
  nodes.map((node) => {
    const { coreos, name: nodeName, role } = node;
    const { clusterName, tailnet, publicKey, privateKey, artifacts } = parts;
    const host = new CoreosHost(nodeName, {
      ...{ clusterName, nodeName, role, tailnet, publicKey, privateKey, artifacts },
      ...coreos,
    });
    const { address, port, user } = host;
    return { node, host, place: { address, port, user, library: fedoraCoreosPlaces.library } };
  });
