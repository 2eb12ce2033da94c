/** Instances: CreateInstances, GetInstance, DeleteInstance, EnableAddOn, DisableAddOn, SetIpAddressType. */
import { randomBytes } from "node:crypto";
import {
  lightsailQuotas,
  snapshotTimePattern,
  userDataMaxBytes,
} from "../../../../components/upstream/lightsail.ts";
import type { MachineAddresses } from "../../../machines/machines.ts";
import { type Account, findMachine, forgetLook } from "../account.ts";
import type { AddOn, AwsBooks, InstanceEntry, PortEntry } from "../books.ts";
import { ServiceError, invalidInput, notFound } from "../errors.ts";
import type { FaultKind } from "../faults.ts";
import {
  checkBlueprint,
  checkBundle,
  checkNewName,
  checkTags,
  checkZone,
  entryIn,
  inRegion,
  knownIn,
  newArn,
  newSupportCode,
  timeText,
  vCpusOf,
} from "./rules.ts";

/** The key pair of whoever names none. */
export const defaultKeyPair = "LightsailDefaultKeyPair";

/**
 * What is open on a new instance of Linux.
 * https://docs.aws.amazon.com/lightsail/latest/userguide/understanding-firewall-and-port-mappings-in-amazon-lightsail.html
 */
const defaultPorts: readonly PortEntry[] = [22, 80].map((port) => ({
  fromPort: port,
  toPort: port,
  protocol: "tcp",
  cidrs: ["0.0.0.0/0"],
  ipv6Cidrs: ["::/0"],
  cidrListAliases: [],
}));

export interface InstanceOrder {
  readonly name: string;
  readonly region: string;
  readonly zone: string;
  readonly blueprintId: string;
  readonly bundleId: string;
  readonly keyPairName: string | undefined;
  readonly userData: string | undefined;
  readonly ipAddressType: string;
  readonly tags: Readonly<Record<string, string>>;
}

function checkOrder(books: AwsBooks, order: InstanceOrder): void {
  checkZone(order.region, order.zone);
  checkBlueprint(order.blueprintId);
  checkBundle(order.region, order.bundleId);
  checkNewName(books, order.name);
  checkTags(order.tags);
  checkIpAddressType(order.ipAddressType);
  const { keyPairName } = order;
  if (keyPairName !== undefined && books.keyPairs[keyPairName]?.region !== order.region) {
    throw notFound("KeyPair", keyPairName);
  }
  if (Buffer.byteLength(order.userData ?? "") > userDataMaxBytes) {
    throw invalidInput(`User data is limited to ${userDataMaxBytes} bytes`);
  }
  const vCpus = inRegion(books.instances, order.region).map(([, { bundleId }]) => vCpusOf(bundleId));
  const total = vCpus.reduce((sum, count) => sum + count, vCpusOf(order.bundleId));
  if (total > lightsailQuotas.vCpusPerRegion) {
    throw invalidInput(
      `You have reached the quota of ${lightsailQuotas.vCpusPerRegion} vCPUs in ${order.region}: this instance would make it ${total}`,
    );
  }
}

function checkIpAddressType(type: string): void {
  if (type === "dualstack" || type === "ipv4") return;
  throw invalidInput(`The IP address type ${type} is not supported by the bundle`);
}

/** An IPv6 address of the block that documentation has: nothing in a rehearsal is reached by it. */
function ipv6AddressesOf(type: string): string[] {
  if (type !== "dualstack") return [];
  const groups = randomBytes(12).toString("hex").match(/.{4}/g) ?? [];
  return [new URL(`http://[2001:db8:${groups.join(":")}]`).hostname.slice(1, -1)];
}

/** Takes an order for an instance and makes its machine. */
export async function createInstance(
  account: Account,
  order: InstanceOrder,
  fault: FaultKind | undefined,
  signal: AbortSignal,
): Promise<void> {
  const { name, region, zone, blueprintId, bundleId, keyPairName, userData, ipAddressType, tags } = order;
  await forgetLost(account, name);
  await account.books.change((books) => {
    checkOrder(books, order);
    books.instances[name] = {
      arn: newArn(region, "Instance"),
      supportCode: newSupportCode("i"),
      ...{ region, zone, blueprintId, bundleId, ipAddressType, tags: { ...tags } },
      keyPairName: keyPairName ?? defaultKeyPair,
      userData: userData ?? "",
      createdAt: timeText(account.now()),
      ports: [...defaultPorts],
      privateAddress: "",
      publicAddress: "",
      ipv6Addresses: ipv6AddressesOf(ipAddressType),
      machine: fault === "half-created" ? "never" : "ordered",
    };
  });
  try {
    await settleInstance(account, name, signal);
  } catch (error) {
    // The service goes on with what was ordered when whoever ordered it goes away.
    if (signal.aborted) throw error;
    await removeInstance(account, name);
    const reason = error instanceof Error ? error.message : String(error);
    throw new ServiceError("ServiceException", `the machine of ${name} could not be made: ${reason}`);
  }
}

/** Makes the machine of an instance that has none yet, and may never get one from whoever ordered it. */
export async function settleInstance(account: Account, name: string, signal: AbortSignal): Promise<void> {
  const books = await account.books.read();
  const entry = books.instances[name];
  if (entry?.machine !== "ordered") return;
  const { zone, blueprintId, bundleId, userData, tags } = entry;
  const publicKey = books.keyPairs[entry.keyPairName]?.publicKey;
  const spec = { name, zone, blueprintId, bundleId, userData, publicKey, tags };
  const addresses = await account.machines.create(spec, signal);
  forgetLook(account, name);
  await account.alone(name, async () => {
    // Everything of an instance that was left as an order carries it out, at the same time. Who comes last must not put a new
    // instance's ports and address over those that it was given meanwhile.
    const ordered = (await account.books.read()).instances[name];
    if (ordered?.arn !== entry.arn || ordered.machine !== "ordered") return;
    await account.machines.openPorts(name, ordered.ports);
    await account.books.change((now) => {
      const mine = now.instances[name];
      if (mine?.arn !== entry.arn) return;
      mine.machine = "made";
      setAddresses(mine, addresses);
    });
  });
}

function setAddresses(entry: InstanceEntry, addresses: MachineAddresses): void {
  entry.privateAddress = addresses.privateAddress;
  entry.publicAddress = addresses.publicAddress;
}

/** Whether there is an instance: not when the machine it had is gone, removed by other hands as in AWS's console. */
export async function liveInstance(
  account: Account,
  region: string,
  name: string,
): Promise<InstanceEntry | undefined> {
  const entry = entryIn((await account.books.read()).instances, region, name);
  if (entry?.machine !== "made") return entry;
  return (await findMachine(account, name)) === undefined ? undefined : entry;
}

/** The instance, with its machine made. */
export async function knownInstance(
  account: Account,
  region: string,
  name: string,
  signal: AbortSignal,
): Promise<InstanceEntry> {
  await settleInstance(account, name, signal);
  const entry = await liveInstance(account, region, name);
  if (entry === undefined) throw notFound("Instance", name);
  return entry;
}

/** Those whose machines are gone, as {@link liveInstance} says, are in no list of AWS's either. */
export async function forgetLostInstances(account: Account): Promise<void> {
  for (const name of Object.keys((await account.books.read()).instances)) await forgetLost(account, name);
}

async function forgetLost(account: Account, name: string): Promise<void> {
  const entry = (await account.books.read()).instances[name];
  if (entry?.machine !== "made") return;
  forgetLook(account, name);
  if ((await findMachine(account, name)) === undefined) await removeInstance(account, name);
}

/**
 * Removes an instance and what hangs on it: a static IP and disks stay, unattached.
 *
 * @throws ServiceError NotFoundException
 */
export async function deleteInstance(account: Account, region: string, name: string): Promise<void> {
  knownIn((await account.books.read()).instances, region, "Instance", name);
  await removeInstance(account, name);
}

async function removeInstance(account: Account, name: string): Promise<void> {
  await account.machines.remove(name);
  forgetLook(account, name);
  await account.books.change((books) => {
    Reflect.deleteProperty(books.instances, name);
    for (const ip of Object.values(books.staticIps)) if (ip.attachedTo === name) delete ip.attachedTo;
    for (const disk of Object.values(books.disks)) {
      if (disk.attachedTo !== name) continue;
      delete disk.attachedTo;
      delete disk.path;
    }
  });
}

async function changeInstance(
  account: Account,
  region: string,
  name: string,
  change: (entry: InstanceEntry) => void,
): Promise<void> {
  await account.books.change((books) => {
    change(knownIn(books.instances, region, "Instance", name));
  });
}

export async function enableAddOn(
  account: Account,
  region: string,
  name: string,
  addOn: AddOn,
): Promise<void> {
  if (addOn.type !== "AutoSnapshot")
    throw invalidInput(`The add-on ${addOn.type} needs a duration and a threshold`);
  if (!snapshotTimePattern.test(addOn.snapshotTime)) {
    throw invalidInput(
      `The snapshot time must be in HH:00 format, in hourly increments: ${addOn.snapshotTime}`,
    );
  }
  await changeInstance(account, region, name, (entry) => {
    entry.addOn = { ...addOn };
  });
}

export async function disableAddOn(account: Account, region: string, name: string): Promise<void> {
  await changeInstance(account, region, name, (entry) => {
    delete entry.addOn;
  });
}

export async function setIpAddressType(
  account: Account,
  region: string,
  name: string,
  type: string,
): Promise<void> {
  checkIpAddressType(type);
  await changeInstance(account, region, name, (entry) => {
    entry.ipAddressType = type;
    entry.ipv6Addresses = ipv6AddressesOf(type);
  });
}

export async function tagInstance(
  account: Account,
  region: string,
  name: string,
  tags: Readonly<Record<string, string>>,
): Promise<void> {
  checkTags(tags);
  await changeInstance(account, region, name, (entry) => {
    entry.tags = { ...tags };
  });
}
