/** Host keys of machines reached by SSH, in the form of a known_hosts line: `ssh-ed25519 AAAA...`. */
import { createHash } from "node:crypto";

/** Kinds of host keys in order of preference, with the signature algorithms of each. */
const KINDS = {
  "ssh-ed25519": ["ssh-ed25519"],
  "ecdsa-sha2-nistp256": ["ecdsa-sha2-nistp256"],
  "ecdsa-sha2-nistp384": ["ecdsa-sha2-nistp384"],
  "ecdsa-sha2-nistp521": ["ecdsa-sha2-nistp521"],
  "ssh-rsa": ["rsa-sha2-512", "rsa-sha2-256"],
} as const;
export type HostKeyAlgorithm = (typeof KINDS)[keyof typeof KINDS][number];

/** The text for a key as it travels: its kind comes first in it, with its length (RFC 4253, 6.6). */
export function hostKeyText(key: Buffer): string {
  const kind = key.subarray(4, 4 + key.readUInt32BE(0)).toString("ascii");
  return `${kind} ${key.toString("base64")}`;
}

/** `SHA256:... (ssh-ed25519)`, as `ssh-keygen -l` shows a key. */
export function fingerprint(hostKey: string): string {
  const [kind = "", base64 = ""] = hostKey.split(" ");
  const digest = createHash("sha256").update(Buffer.from(base64, "base64")).digest("base64");
  return `SHA256:${digest.replace(/=+$/, "")} (${kind})`;
}

/** True for the same key, whatever comment follows it. */
export function sameHostKey(a: string, b: string): boolean {
  return a.split(" ", 2).join(" ") === b.split(" ", 2).join(" ");
}

/**
 * What to ask a machine for. A machine has keys of several kinds and shows the first that is asked for: the known one's
 * kind comes first, and the others follow, so that a machine that has no key of that kind shows which it has instead.
 */
export function hostKeyAlgorithms(known: string | undefined): HostKeyAlgorithm[] {
  const kind = known?.split(" ", 1)[0];
  return Object.entries(KINDS)
    .sort(([a], [b]) => Number(b === kind) - Number(a === kind))
    .flatMap(([, algorithms]) => [...algorithms]);
}
