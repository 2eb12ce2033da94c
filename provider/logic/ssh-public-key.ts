/** Public keys in the form of an authorized_keys line. */
import type { KeyObject } from "node:crypto";

/** A length in four bytes, then the bytes (RFC 4251, 5). */
function field(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

/** A positive number: one whose first bit is set gets a zero in front, as it would be negative otherwise. */
function numberField(base64url: string | undefined): Buffer {
  const bytes = Buffer.from(base64url ?? "", "base64url");
  return field((bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.alloc(1), bytes]) : bytes);
}

/** `ssh-rsa AAAA... COMMENT` for an RSA key (RFC 4253, 6.6). */
export function rsaPublicKeyLine(key: KeyObject, comment: string): string {
  const { e, n } = key.export({ format: "jwk" });
  const bytes = Buffer.concat([field(Buffer.from("ssh-rsa")), numberField(e), numberField(n)]);
  return `ssh-rsa ${bytes.toString("base64")} ${comment}`;
}
