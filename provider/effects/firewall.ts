/** The machine's own firewall rules between sites, one nftables table for each site. */
import { CommandError, type Run } from "./process.ts";

export interface Firewall {
  /** The table as `nft` lists it, or `undefined`. */
  list(table: string): Promise<string | undefined>;
  /** Puts a table in place of the former of the same name, in one transaction. */
  replace(table: string, body: string): Promise<void>;
  /** Succeeds when there is none. */
  remove(table: string): Promise<void>;
}

/** {@link Firewall} by the `nft` program. */
export function nftables(run: Run): Firewall {
  const nft = async (script: string): Promise<void> => {
    const finished = await run("nft", ["-f", "-"], { input: script });
    if (finished.code !== 0) throw new CommandError("nft", finished);
  };
  return {
    async list(table) {
      const finished = await run("nft", ["--numeric", "list", "table", "inet", table]);
      if (finished.code === 0) return finished.stdout;
      if (/no such file/i.test(finished.stderr)) return undefined;
      throw new CommandError("nft list table", finished);
    },
    // `add` before `delete` makes the deletion valid whether or not the table exists.
    replace: (table, body) => nft(`add table inet ${table}\ndelete table inet ${table}\n${body}`),
    remove: (table) => nft(`add table inet ${table}\ndelete table inet ${table}\n`),
  };
}
