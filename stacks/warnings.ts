/** What a configuration of machines may do, and what its owner should know about it. */
import type { NodeLists } from "./machine-nodes.ts";

export interface Warning {
  /** Path of the field, in the user's words. */
  readonly field: string;
  readonly text: string;
}

/** One line per warning: `` `servers`: two servers ... `` */
export function formatWarning({ field, text }: Warning): string {
  return `\`${field}\`: ${text}`;
}

/** Of two members of etcd both are needed. */
export function twoServers({ servers }: Pick<NodeLists, "servers">): Warning[] {
  const text =
    "two servers survive no loss: etcd answers only while both run, so either failing stops the API; " +
    "three is the smallest number that survives one loss";
  return servers.length === 2 ? [{ field: "servers", text }] : [];
}
