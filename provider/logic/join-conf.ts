/** What a node's join.conf (components/render/join-conf.ts) tells about the other servers of its cluster. */

/** Tailnet names of the other servers; none for an agent, and for a server alone. */
export function otherServers(joinConf: string): readonly string[] {
  const value = (key: string): string => new RegExp(`^${key}=(.*)$`, "m").exec(joinConf)?.[1] ?? "";
  return value("ROLE") === "server" ? value("SERVERS").split(" ").filter(Boolean) : [];
}

/** True for the join.conf of a server. */
export function isServer(joinConf: string): boolean {
  return /^ROLE=server$/m.test(joinConf);
}

/** The steward's container of the node with that tailnet name: both names follow from cluster and node alone. */
export function stewardOfHost(fullyQualifiedName: string): string {
  return `homespan-${fullyQualifiedName.split(".")[0] ?? ""}-steward`;
}

/** What the names of all nodes of one tailnet end in. */
export function tailnetDomain(fullyQualifiedName: string): string {
  return fullyQualifiedName.split(".").slice(1).join(".");
}
