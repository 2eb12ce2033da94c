/** The rule that keeps one site from opening connections to another. */

/**
 * An nftables table that drops new connections to `subnet` from `denied`. Replies pass, so the other direction keeps
 * working. It hangs in `forward` just before the filter priority: Podman's own rules accept, and an accept there does
 * not undo a drop here. One rule for each subnet: nft would merge neighbours in a set, and they could not be compared.
 */
export function siteTable(table: string, subnet: string, denied: readonly string[]): string {
  return [
    `table inet ${table} {`,
    "  chain forward {",
    "    type filter hook forward priority filter - 1; policy accept;",
    ...denied.map((source) => `    ip saddr ${source} ip daddr ${subnet} ct state new counter drop`),
    "  }",
    "}",
    "",
  ].join("\n");
}

/** True when the listed table holds the rules for exactly this site and these subnets. */
export function ruleHolds(listing: string | undefined, subnet: string, denied: readonly string[]): boolean {
  const found = (listing ?? "").split("\n").flatMap((line) => {
    const rule = /ip saddr (\S+) ip daddr (\S+) .*\bdrop\b/.exec(line);
    return rule?.[2] === subnet && rule[1] !== undefined ? [rule[1]] : [];
  });
  return found.sort().join() === [...denied].sort().join();
}
