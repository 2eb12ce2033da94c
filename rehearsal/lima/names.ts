/** Names and folders of rehearsed Macs and of what runs in them. */
import { join } from "node:path";
import { limaName } from "../../components/upstream/lima.ts";

/** The machine, in the rehearsal's sense, that is an instance of Lima's on a Mac. */
export function limaMachine({ mac, name }: { readonly mac: string; readonly name: string }): string {
  for (const [field, value] of Object.entries({ mac, name })) {
    if (!limaName.pattern.test(value)) {
      throw new RangeError(`\`${field}\` must be a name as Lima takes it, got ${JSON.stringify(value)}`);
    }
  }
  return `${macMachine(mac)}.${name}`;
}

/** The machine, in the rehearsal's sense, that is a Mac. */
export function macMachine(mac: string): string {
  return `mac-${mac}`;
}

/** The folder of a disk of Lima's among the disks of all machines; without a disk, what those of the Mac begin with. */
export function limaDiskFolder(mac: string, disk?: { readonly name: string; readonly id: string }): string {
  return `${macMachine(mac)}.${disk === undefined ? "" : `${disk.name}-${disk.id}`}`;
}

/** What a Mac keeps outside of its container. */
export function macFolders(folder: string, mac: string): { readonly home: string; readonly cache: string } {
  const own = join(folder, "machines", macMachine(mac));
  return { home: join(own, "lima"), cache: join(own, "lima-cache") };
}

/** The folder in which the daemon listens for the drivers of all Macs, mounted in each; and the socket in it. */
export function hypervisorFiles(folder: string): { readonly directory: string; readonly socket: string } {
  const directory = join(folder, "hypervisor");
  return { directory, socket: join(directory, "socket") };
}
