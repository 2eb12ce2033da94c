/** What a rehearsed cloud remembers of its machines, and the network that follows from it. */
import { join } from "node:path";
import { z } from "zod";
import { CommandError, type Run } from "../../provider/effects/process.ts";
import type { Firewall } from "../../provider/effects/firewall.ts";
import { objectNames } from "../../provider/logic/ownership.ts";
import { withLock } from "../../toolchain/locks.ts";
import { Books } from "../clouds/shared/books.ts";
import { type CloudRules, renderCloudRules } from "./network-rules.ts";

const portRule = z.strictObject({
  fromPort: z.number().int(),
  toPort: z.number().int(),
  protocol: z.enum(["tcp", "udp", "all", "icmp", "icmpv6"]),
  cidrs: z.array(z.string()),
  ipv6Cidrs: z.array(z.string()),
});

const machine = z.strictObject({
  /** Another one for another machine of the same name. */
  instanceId: z.string(),
  privateAddress: z.string(),
  publicAddress: z.string(),
  rules: z.array(portRule),
  /** Names of attached disks, in the order they were attached. */
  disks: z.array(z.string()),
});

const schema = z.strictObject({
  machines: z.record(z.string(), machine),
  /** Host numbers handed out last. */
  lastPrivate: z.number().int(),
  lastPublic: z.number().int(),
});

export type MachineEntry = z.infer<typeof machine>;
export type MachineBook = z.infer<typeof schema>;

/** The books in the rehearsal's folder. */
export function machineBooks(folder: string): Books<MachineBook> {
  return new Books(join(folder, "machines.json"), schema, () => ({
    machines: {},
    lastPrivate: 0,
    lastPublic: 0,
  }));
}

/** The part of a world that its network is made of. */
export interface CloudWorld {
  readonly world: string;
  readonly network: { readonly subnet: string; readonly gateway: string };
  readonly publicRange: string;
}

/** Puts the rules in force that follow from the books as they are. */
export async function applyCloudRules(
  folder: string,
  world: CloudWorld,
  effects: { readonly firewall: Firewall },
): Promise<void> {
  // Read inside of the lock: of two processes, the one that comes second must not put in force what it read first.
  await withLock(
    folder,
    "network",
    async () => {
      const rules = cloudRules(world, await machineBooks(folder).read());
      await effects.firewall.replace(rules.table, renderCloudRules(rules));
    },
    { pollMs: 15 },
  );
}

function cloudRules(world: CloudWorld, { machines }: MachineBook): CloudRules {
  return {
    table: objectNames.firewallTable(world.world, "cloud"),
    subnet: world.network.subnet,
    gateway: world.network.gateway,
    publicRange: world.publicRange,
    machines: Object.entries(machines).map(([name, entry]) => ({ name, ...entry })),
  };
}

/**
 * Ends all connections of a public address. They are remembered with the private address they were translated to, and one
 * that is used often, as WireGuard's are, would lead to a former machine for ever.
 */
export async function forgetConnections(run: Run, publicAddress: string): Promise<void> {
  for (const direction of ["--orig-dst", "--reply-dst"]) {
    const finished = await run("conntrack", ["--delete", direction, publicAddress]);
    if (finished.code !== 0 && !finished.stderr.includes("0 flow entries")) {
      throw new CommandError("conntrack", finished);
    }
  }
}
