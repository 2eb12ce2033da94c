/**
 * Every name that follows from a cluster's and a node's name. All of them are known before anything exists, which is
 * what lets all machines boot at once and find each other later.
 */

/** The part a node plays in the cluster. */
export type Role = "server" | "agent";

/** Names of the podman objects of a cluster that do not belong to one node. */
export function clusterObjectName(clusterName: string, object: string): string {
  return `homespan-${clusterName}-${object}`;
}

/** The pod of a steward node; containers and volume carry it as prefix. */
export function podName(clusterName: string, nodeName: string): string {
  return `homespan-${clusterName}-${nodeName}`;
}

/** The container that owns a steward node's boot sequence. */
export function stewardContainer(clusterName: string, nodeName: string): string {
  return `${podName(clusterName, nodeName)}-steward`;
}

/** The name a node logs in to the tailnet with. */
export function tailnetHostName(clusterName: string, nodeName: string): string {
  return `${clusterName}-${nodeName}`;
}

/** MagicDNS base domain of a tailnet that Homespan runs itself. */
export function tailnetDomain(clusterName: string): string {
  return `${clusterName}.tailnet.internal`;
}

/** The MagicDNS name other nodes find this one by. */
export function fullyQualifiedName(hostName: string, domain: string): string {
  return `${hostName}.${domain}`;
}

/** Host name of the control server; outside the MagicDNS domain, or clients would look it up in the tailnet. */
export function controlHostName(clusterName: string): string {
  return `control.homespan-${clusterName}.internal`;
}

/** Tailnet tag of all nodes of one role in one cluster. */
export function nodeTag(clusterName: string, role: Role): string {
  return `tag:${clusterName}-${role}`;
}

/** The name in the tailnet of the machine that runs Pulumi, as long as it looks after this cluster. */
export function operatorHostName(clusterName: string): string {
  return tailnetHostName(clusterName, operatorNode);
}

/** What no node may be called: the operator's name in the tailnet would be the same. */
export const operatorNode = "operator";

/** Tailnet tag of the machine that runs Pulumi. */
export function operatorTag(clusterName: string): string {
  return `tag:${clusterName}-operator`;
}

/** Names of the objects one node has in a cloud; each is the only one of its name there. */
export function cloudNames(
  clusterName: string,
  nodeName: string,
): { readonly instance: string; readonly address: string; readonly disk: string } {
  const instance = `${clusterName}-${nodeName}`;
  return { instance, address: `${instance}-address`, disk: `${instance}-data` };
}

/** The key pair of all machines of one cluster in a cloud. */
export function cloudKeyName(clusterName: string): string {
  return `${clusterName}-key`;
}

/** The n-th node of a role, counted from 1. */
export function nodeNames(role: Role, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${role}-${String(index + 1)}`);
}
