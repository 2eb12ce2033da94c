/** Labels every node of a Homespan cluster carries; the topology owns them. */
export const labelKeys = {
  site: "homespan.dev/site",
  substrate: "homespan.dev/substrate",
  nodeType: "node-type",
} as const;

/** The labels that follow from where a node stands and what it is made of. */
export function topologyLabels(site: string, substrate: string): Record<string, string> {
  return { [labelKeys.site]: site, [labelKeys.substrate]: substrate, [labelKeys.nodeType]: substrate };
}
