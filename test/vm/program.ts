/** A program for tests: virtual machines on one host, and nothing else. */
import { LibvirtHost } from "../../components/libvirt/libvirt-host.ts";
import { VirtualMachine, type VirtualMachineArgs } from "../../components/libvirt/virtual-machine.ts";
import { VmImage } from "../../components/libvirt/vm-image.ts";
import type { Virtualization } from "../../rehearsal/libvirt/virtualization.ts";
import type { FlatcarImage } from "../../components/render/flatcar-image.ts";
import { flatcarFirmwareConfig } from "../../components/upstream/flatcar.ts";

export interface VmProgram {
  readonly uri: string;
  readonly pool: string;
  readonly virtualization: Virtualization;
  readonly image: FlatcarImage;
  readonly machines: readonly ({ readonly resourceName: string; readonly ignition: string } & Omit<
    VirtualMachineArgs,
    "host" | "image" | "firmwareConfigName" | "ignition"
  >)[];
}

export function vmProgram({ uri, pool, virtualization, image, machines }: VmProgram): void {
  const host = new LibvirtHost("host", { uri, pool, site: "home", ...virtualization });
  const checked = new VmImage("image", image);
  for (const { resourceName, ...machine } of machines) {
    new VirtualMachine(resourceName, {
      ...machine,
      host,
      image: checked,
      firmwareConfigName: flatcarFirmwareConfig,
    });
  }
}
