/** What was ordered of the libvirt at home, in a file of the rehearsal's. */
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { z } from "zod";
import { hostAddress } from "../../components/render/address.ts";
import { macAddress } from "../../components/render/mac-address.ts";
import { homeNumbers, libvirtFiles } from "./names.ts";
import type { Reservation } from "./router.ts";

const machineSchema = z.strictObject({
  /** The node it is for. */
  node: z.string(),
  /** Host number of its address in the network at home. */
  number: z.number().int(),
});
const bookSchema = z.strictObject({
  type: z.enum(["kvm", "qemu"]),
  pools: z.array(z.string()),
  image: z.strictObject({
    store: z.string(),
    version: z.string(),
    sha256: z.string(),
    fingerprint: z.string(),
  }),
  /** By their names in libvirt. */
  machines: z.record(z.string(), machineSchema),
});
export type LibvirtBook = z.output<typeof bookSchema>;

/** `undefined` where nothing was ordered. */
export async function readBook(folder: string): Promise<LibvirtBook | undefined> {
  try {
    return bookSchema.parse(JSON.parse(await readFile(libvirtFiles(folder).book, "utf8")));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

export async function writeBook(folder: string, book: LibvirtBook): Promise<void> {
  const { book: file } = libvirtFiles(folder);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(`${file}.draft`, `${JSON.stringify(book, undefined, 2)}\n`, { mode: 0o600 });
  await rename(`${file}.draft`, file);
}

/**
 * The machines with those that are new, each with a number of its own; who has one keeps it.
 *
 * @param wanted - name in libvirt -> node
 * @throws Error when no number is left
 */
export function withMachines(
  known: LibvirtBook["machines"],
  wanted: Readonly<Record<string, string>>,
): LibvirtBook["machines"] {
  const machines = { ...known };
  const { first, last } = homeNumbers.machines;
  for (const [name, node] of Object.entries(wanted)) {
    const taken = new Set(Object.values(machines).map(({ number }) => number));
    let number = machines[name]?.number ?? last;
    while (machines[name] === undefined && taken.has(number)) number -= 1;
    if (number < first) {
      throw new Error(
        `a rehearsal has ${last - first + 1} addresses for virtual machines, and all are taken`,
      );
    }
    machines[name] = { node, number };
  }
  return machines;
}

/** What the router reserves. */
export function reservations(machines: LibvirtBook["machines"], subnet: string): Reservation[] {
  return Object.entries(machines).map(([name, { number }]) => ({
    mac: macAddress(name),
    address: hostAddress(subnet, number),
  }));
}
