/**
 * This machine as one of the rehearsed internet: an address out of a network from which the stack lets SSH in, since the
 * rehearsed firewall asks where a packet comes from, as the real one does.
 */
import { CommandError, type Run } from "../provider/effects/process.ts";
import type { World } from "./world.ts";

/**
 * The address for this machine in a network in CIDR notation: its first host, and of networks of /24 and wider one that no
 * other world of this machine has. `undefined` where everyone may come.
 */
export function visitorAddress(cidr: string, publicRange: string): string | undefined {
  const [network = "", bits = "32"] = cidr.split("/");
  if (Number(bits) === 0) return undefined;
  if (Number(bits) > 30) return network;
  const own = Number(bits) <= 24 ? Number(publicRange.split(".")[2] ?? "1") : 1;
  const numbers = network.split(".").map(Number);
  const last = (numbers[3] ?? 0) + own;
  return [...numbers.slice(0, 3), last].join(".");
}

/** Gives this machine the address, and lets it be the source of what goes to the world's public addresses. */
export async function becomeVisitor(run: Run, world: World, address: string): Promise<void> {
  const device = await deviceOf(run, world);
  await must(run, ["addr", "replace", `${address}/32`, "dev", "lo"]);
  await must(run, ["route", "replace", world.publicRange, "dev", device, "src", address]);
}

/** Takes it away again; succeeds when it is not there. The route goes with the network's device. */
export async function leave(run: Run, address: string): Promise<void> {
  const finished = await run("ip", ["addr", "del", `${address}/32`, "dev", "lo"]);
  if (finished.code !== 0 && !/Cannot assign requested address/i.test(finished.stderr)) {
    throw new CommandError("ip addr del", finished);
  }
}

/** The bridge of the world's network: it comes with the first container in it. */
async function deviceOf(run: Run, { network }: World): Promise<string> {
  const finished = await run("ip", ["-json", "-4", "addr", "show"]);
  if (finished.code !== 0) throw new CommandError("ip addr show", finished);
  const devices = JSON.parse(finished.stdout) as readonly {
    readonly ifname: string;
    readonly addr_info: readonly { readonly local: string }[];
  }[];
  const found = devices.find(({ addr_info }) => addr_info.some(({ local }) => local === network.gateway));
  if (found === undefined) throw new Error(`network ${network.name} must have a container in it, got none`);
  return found.ifname;
}

async function must(run: Run, args: readonly string[]): Promise<void> {
  const finished = await run("ip", args);
  if (finished.code !== 0) throw new CommandError(`ip ${args.slice(0, 2).join(" ")}`, finished);
}
