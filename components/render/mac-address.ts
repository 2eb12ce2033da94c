import { createHash } from "node:crypto";

/** First half of addresses that QEMU's virtual machines have. https://wiki.qemu.org/Documentation/Networking */
const prefix = "52:54:00";

/** The same for a machine of the same name, so that a router's reservation stays right when the machine is made anew. */
export function macAddress(machineName: string): string {
  const bytes = createHash("sha256").update(machineName).digest("hex").slice(0, 6);
  return [prefix, ...(bytes.match(/../g) ?? [])].join(":");
}
