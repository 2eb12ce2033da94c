/** Nodes on machines that exist already. */
import { ExistingHost } from "../components/existing/host.ts";
import type { ExistingNode } from "./home-config.ts";
import type { HomeMaker } from "./home-hosts.ts";

export const takeExisting: HomeMaker<ExistingNode> = (nodes, _home, parts) =>
  nodes.map((node) => {
    const { existing, name: nodeName } = node;
    const host = new ExistingHost(nodeName, { ...parts, ...existing, nodeName });
    const { address, port, user } = host;
    return { node, host, place: { address, port, user } };
  });
