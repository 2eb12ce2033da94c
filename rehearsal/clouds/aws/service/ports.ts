/** Firewalls: PutInstancePublicPorts, CloseInstancePublicPorts, GetInstancePortStates. */
import { isIPv4, isIPv6 } from "node:net";
import type { Account } from "../account.ts";
import type { PortEntry } from "../books.ts";
import { invalidInput } from "../errors.ts";
import { knownInstance } from "./instances.ts";

/** A port as one orders it: sources may be left out. */
export interface PortOrder extends Pick<PortEntry, "fromPort" | "toPort" | "protocol"> {
  readonly cidrs?: readonly string[] | undefined;
  readonly ipv6Cidrs?: readonly string[] | undefined;
  readonly cidrListAliases?: readonly string[] | undefined;
}

/** With what the service fills in: everyone, where nobody is named. */
function completed(order: PortOrder): PortEntry {
  const { cidrs = [], ipv6Cidrs = [], cidrListAliases = [] } = order;
  const anyone = cidrs.length + ipv6Cidrs.length + cidrListAliases.length === 0;
  const { fromPort, toPort, protocol } = order;
  return {
    ...{ fromPort, toPort, protocol },
    cidrs: anyone ? ["0.0.0.0/0"] : [...cidrs].sort(),
    ipv6Cidrs: anyone ? ["::/0"] : [...ipv6Cidrs].sort(),
    cidrListAliases: [...cidrListAliases].sort(),
  };
}

function checkPort(port: PortEntry): void {
  const { fromPort, toPort, protocol } = port;
  // Of ICMP these are type and code.
  const isRange = protocol !== "icmp" && protocol !== "icmpv6";
  if (isRange && fromPort > toPort) {
    throw invalidInput(`The first port of a range must not be above the last one: ${fromPort}-${toPort}`);
  }
  for (const cidr of port.cidrs) {
    if (!isIPv4(cidr.split("/")[0] ?? "")) throw invalidInput(`cidrs are IPv4 addresses or ranges: ${cidr}`);
  }
  for (const cidr of port.ipv6Cidrs) {
    if (!isIPv6(cidr.split("/")[0] ?? ""))
      throw invalidInput(`ipv6Cidrs are IPv6 addresses or ranges: ${cidr}`);
  }
  const unknown = port.cidrListAliases.find((alias) => alias !== "lightsail-connect");
  if (unknown !== undefined)
    throw invalidInput(`The only alias currently supported is lightsail-connect: ${unknown}`);
}

const keyOf = ({ protocol, fromPort, toPort }: PortOrder): string => `${protocol}-${fromPort}-${toPort}`;

/** Opens these ports and closes all others. */
export async function putPorts(
  account: Account,
  region: string,
  instanceName: string,
  orders: readonly PortOrder[],
  signal: AbortSignal,
): Promise<void> {
  const ports = orders.map(completed);
  ports.forEach(checkPort);
  await knownInstance(account, region, instanceName, signal);
  await keepPorts(account, instanceName, () => ports);
}

/** Closes one port, whoever it was open to. */
export async function closePort(
  account: Account,
  region: string,
  instanceName: string,
  port: PortOrder,
  signal: AbortSignal,
): Promise<void> {
  await knownInstance(account, region, instanceName, signal);
  await keepPorts(account, instanceName, (open) => open.filter((it) => keyOf(it) !== keyOf(port)));
}

async function keepPorts(
  account: Account,
  name: string,
  change: (open: readonly PortEntry[]) => PortEntry[],
): Promise<void> {
  await account.alone(name, async () => {
    const entry = (await account.books.read()).instances[name];
    // Before it is in the books, which whoever is killed here must not find ahead of the machine.
    if (entry?.machine === "made") await account.machines.openPorts(name, change(entry.ports));
    await account.books.change((books) => {
      const instance = books.instances[name];
      if (instance !== undefined) instance.ports = change(instance.ports);
    });
  });
}
