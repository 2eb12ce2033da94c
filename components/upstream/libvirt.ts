/** Literals of libvirt and QEMU. */
import { fedoraCoreosFirmwareConfig } from "./fedora-coreos.ts";
import { flatcarFirmwareConfig } from "./flatcar.ts";

/** Under which name each system's Ignition looks for its configuration in QEMU's firmware configuration device. */
export const firmwareConfigNames = {
  flatcar: flatcarFirmwareConfig,
  fedoraCoreos: fedoraCoreosFirmwareConfig,
} as const;

/** Bytes of a virtio disk's serial number that reach the guest. https://github.com/qemu/qemu/blob/master/include/standard-headers/linux/virtio_blk.h (VIRTIO_BLK_ID_BYTES) */
export const diskSerialBytes = 20;

/** Machine type with PCI Express, and no IDE, floppy or ISA devices. https://www.qemu.org/docs/master/system/i386/pc.html */
export const machineType = "q35";

/** https://libvirt.org/formatdomain.html#cpu-model-and-topology: without KVM, all that QEMU can imitate. */
export const cpuModes = { kvm: "host-passthrough", qemu: "maximum" } as const;

/** Of the machine; Flatcar's image for QEMU and the board are for it. */
export const machineArchitecture = "x86_64";

/** What the disk a machine starts from is found by inside. */
export const systemDiskSerial = "homespan-system";
