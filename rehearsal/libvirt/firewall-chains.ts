/** Chains that libvirt hooks into the machine's tables when it starts, and leaves there, empty, when it ends. */
import { basename } from "node:path";
import { listProcesses } from "../../cli/process.ts";
import type { Run } from "../../provider/effects/process.ts";

const programs = ["iptables", "ip6tables"];
/** Those that work with the chains: libvirtd, or one of the daemons that it is divided into. https://libvirt.org/daemons.html */
const daemons = new Set(["libvirtd", "virtnetworkd"]);

/** Removes them, as far as nobody else's libvirt runs on this machine, which would have its own in the same place. Never fails. */
export async function removeChains(run: Run): Promise<void> {
  if (listProcesses().some(({ words: [program = ""] }) => daemons.has(basename(program)))) return;
  for (const program of programs) {
    const saved = await run(`${program}-save`, []).catch(() => undefined);
    const removal = saved?.code === 0 ? chainRemoval(saved.stdout) : "";
    if (removal === "") continue;
    // Left where it cannot be done: empty chains do nothing.
    await run(`${program}-restore`, ["--noflush"], { input: removal }).catch(() => undefined);
  }
}

/**
 * What removes them, for `iptables-restore --noflush`; "" where there are none. A chain that holds a rule is one of a network that is up.
 *
 * @param saved what `iptables-save` prints
 */
export function chainRemoval(saved: string): string {
  return saved
    .split(/^(?=\*)/m)
    .map((table) => {
      const name = /^\*(\w+)/.exec(table)?.[1];
      const chains = [...table.matchAll(/^:(LIBVIRT_\w+) /gm)].map(([, chain = ""]) => chain);
      const removed = chains.filter((chain) => !table.includes(`\n-A ${chain} `));
      if (name === undefined || removed.length === 0) return "";
      const jumps = [...table.matchAll(/^-A (\w+ -j (\w+))$/gm)]
        .filter(([, , target = ""]) => removed.includes(target))
        .map(([, jump = ""]) => `-D ${jump}\n`);
      return [`*${name}\n`, ...jumps, ...removed.map((chain) => `-X ${chain}\n`), "COMMIT\n"].join("");
    })
    .join("");
}
