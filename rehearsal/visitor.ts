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

/**
 * Gives this machine the address, and makes it the source of what goes to the world's public addresses. They are routed
 * nowhere, as the network's device comes with the first container in it: the translation to a private address, which comes
 * first, routes again.
 */
export async function becomeVisitor(run: Run, world: World, address: string): Promise<void> {
  await must(run, ["addr", "replace", `${address}/32`, "dev", "lo"]);
  await must(run, ["route", "replace", world.publicRange, "dev", "lo", "src", address, "mtu", "1500"]);
}

/** Takes it away again, and with it the route; succeeds when it is not there. */
export async function leave(run: Run, address: string): Promise<void> {
  const finished = await run("ip", ["addr", "del", `${address}/32`, "dev", "lo"]);
  if (finished.code !== 0 && !/Cannot assign requested address/i.test(finished.stderr)) {
    throw new CommandError("ip addr del", finished);
  }
}

async function must(run: Run, args: readonly string[]): Promise<void> {
  const finished = await run("ip", args);
  if (finished.code !== 0) throw new CommandError(`ip ${args.slice(0, 2).join(" ")}`, finished);
}
