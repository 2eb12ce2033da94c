/** What no host can give a virtual machine, said before a host is asked; what one host cannot give is said by `VmPlace`. */
import type { VirtualMachineArgs } from "./virtual-machine.ts";

type Measures = Pick<VirtualMachineArgs, "vcpus" | "memoryMiB" | "systemDiskGiB" | "dataDisk" | "address">;

/** The least k3s asks for. https://docs.k3s.io/installation/requirements#hardware */
const leastMemoryMiB = 512;

/** Every problem in one line of the errors' grammar; none for what can be. */
export function vmProblems({ vcpus, memoryMiB, systemDiskGiB, dataDisk, address }: Measures): string[] {
  return [
    ...whole("vcpus", vcpus, 1, ""),
    ...whole("memoryMiB", memoryMiB, leastMemoryMiB, " MiB"),
    ...whole("systemDiskGiB", systemDiskGiB, 1, " GiB"),
    ...(dataDisk !== undefined && "sizeGiB" in dataDisk
      ? whole("dataDisk.sizeGiB", dataDisk.sizeGiB, 1, " GiB")
      : []),
    ...(dataDisk !== undefined && "blockDevice" in dataDisk && !isDevice(dataDisk.blockDevice)
      ? [
          `\`dataDisk.blockDevice\` must be a path below /dev that stays the same, such as /dev/disk/by-id/..., got ${JSON.stringify(dataDisk.blockDevice)}`,
        ]
      : []),
    ...(isAddress(address) ? [] : [`\`address\` must be an IPv4 address, got ${JSON.stringify(address)}`]),
  ];
}

function whole(field: string, value: number, least: number, unit: string): string[] {
  return Number.isSafeInteger(value) && value >= least
    ? []
    : [`\`${field}\` must be a whole number of at least ${least}${unit}, got ${value}`];
}

function isDevice(path: string): boolean {
  return /^\/dev(\/[A-Za-z0-9_.:+@=-]+)+$/.test(path) && !path.split("/").includes("..");
}

function isAddress(text: string): boolean {
  const parts = text.split(".");
  return parts.length === 4 && parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255);
}
