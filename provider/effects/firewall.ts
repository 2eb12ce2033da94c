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

/** Where networks of Podman without root are: a network namespace of the user's. https://docs.podman.io/en/latest/markdown/podman-unshare.1.html */
const inUsersNetworks = ["podman", "unshare", "--rootless-netns"] as const;

/**
 * {@link Firewall} by the `nft` program.
 *
 * @param where - `users`: in the namespace of Podman's networks without root, which lasts no longer than a container on one of them
 */
export function nftables(asked: Run, where: "machine" | "users" = "machine"): Firewall {
  const run: Run = (program, args, options) => {
    if (where === "machine") return asked(program, args, options);
    const [podman, ...unshare] = inUsersNetworks;
    return asked(podman, [...unshare, program, ...args], options);
  };
  // To look into that namespace makes it, and leaves a process of its network behind, where no container has done so.
  const isThere = async (): Promise<boolean> =>
    where === "machine" || (await asked("podman", ["ps", "--quiet"])).stdout.trim() !== "";
  const nft = async (script: string): Promise<void> => {
    const finished = await run("nft", ["-f", "-"], { input: script });
    if (finished.code !== 0) throw new CommandError("nft", finished);
  };
  return {
    async list(table) {
      if (!(await isThere())) return undefined;
      const finished = await run("nft", ["--numeric", "list", "table", "inet", table]);
      if (finished.code === 0) return finished.stdout;
      if (/no such file/i.test(finished.stderr)) return undefined;
      throw new CommandError("nft list table", finished);
    },
    // `add` before `delete` makes the deletion valid whether or not the table exists.
    replace: (table, body) => nft(`add table inet ${table}\ndelete table inet ${table}\n${body}`),
    async remove(table) {
      if (await isThere()) await nft(`add table inet ${table}\ndelete table inet ${table}\n`);
    },
  };
}
