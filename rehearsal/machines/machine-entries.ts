/** What the books hold of a rehearsed machine: its addresses, and how it comes by them. */
import { randomBytes } from "node:crypto";
import type { World } from "../world.ts";
import { machineHosts, nextAddress, passingHosts } from "./addresses.ts";
import type { MachineBook, MachineEntry } from "./cloud-network.ts";
import type { MachineAddresses } from "./machines.ts";

/** A new machine in the books, with all ports closed. */
export function enter(books: MachineBook, world: World, name: string): MachineEntry {
  const taken = new Set(Object.values(books.machines).map(({ privateAddress }) => privateAddress));
  const next = nextAddress(world.network.subnet, machineHosts, books.lastPrivate, taken);
  books.lastPrivate = next.host;
  const entry: MachineEntry = {
    instanceId: `i-${randomBytes(8).toString("hex")}`,
    privateAddress: next.address,
    publicAddress: passingAddress(books, world),
    rules: [],
    disks: [],
  };
  books.machines[name] = entry;
  return entry;
}

function passingAddress(books: MachineBook, world: World): string {
  const taken = new Set(Object.values(books.machines).map(({ publicAddress }) => publicAddress));
  const next = nextAddress(world.publicRange, passingHosts, books.lastPublic, taken);
  books.lastPublic = next.host;
  return next.address;
}

/** The address wanted, or without one a passing address, the machine's present one if it is such. */
export function chooseAddress(
  books: MachineBook,
  world: World,
  name: string,
  wanted: string | undefined,
): string {
  if (wanted === undefined) {
    const { publicAddress } = entryOf(books, name);
    const host = Number(publicAddress.split(".")[3]);
    return host <= passingHosts.last ? publicAddress : passingAddress(books, world);
  }
  const holder = Object.entries(books.machines).find(
    ([other, { publicAddress }]) => other !== name && publicAddress === wanted,
  );
  if (holder !== undefined) throw new Error(`address ${wanted} must be free, ${holder[0]} has it`);
  return wanted;
}

/** @throws Error when there is no such machine. */
export function entryOf(books: MachineBook, name: string): MachineEntry {
  const entry = books.machines[name];
  if (entry === undefined) throw new Error(`there is no machine ${name}`);
  return entry;
}

/** Where it is reached, without what else is in the books. */
export function addressesOf({ privateAddress, publicAddress }: MachineEntry): MachineAddresses {
  return { privateAddress, publicAddress };
}
