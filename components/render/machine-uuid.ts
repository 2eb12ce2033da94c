import { createHash } from "node:crypto";

/**
 * Id of a virtual machine, the same for a machine of the same name: libvirt takes its definition in place of one that was
 * left by a run which could not start it.
 */
export function machineUuid(machineName: string): string {
  const hex = createHash("sha256").update(`uuid of ${machineName}`).digest("hex");
  // Version 8, which is anybody's own way to make one. https://www.rfc-editor.org/rfc/rfc9562#section-5.8
  const variant = ((Number.parseInt(hex.slice(16, 17), 16) & 0x3) | 0x8).toString(16);
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `${variant}${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join("-");
}
