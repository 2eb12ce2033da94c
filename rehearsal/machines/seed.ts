/** What cloud-init finds on a new machine, as the cloud would give it. */
import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";

export interface MachineSeed {
  /** Another one makes cloud-init take the machine for a new one. */
  readonly instanceId: string;
  readonly hostName: string;
  /** `ssh-rsa AAAA... comment` for the image's user; `undefined`: none. */
  readonly publicKey: string | undefined;
  /** The customer's own, as ordered. */
  readonly userData: string;
  /** Public key of the authority whose certificates sshd accepts: that of the cloud's SSH client in the browser. */
  readonly authority: string;
}

/** Where Lightsail puts the key of its browser client. https://docs.aws.amazon.com/lightsail/latest/userguide/amazon-lightsail-remove-ssh-key-on-instance.html */
const authorityPath = "/etc/ssh/lightsail_instance_ca.pub";

/**
 * The files of a NoCloud seed by name.
 *
 * https://docs.cloud-init.io/en/22.4/topics/datasources/nocloud.html
 */
export function renderSeed(seed: MachineSeed): Record<"meta-data" | "user-data", string> {
  const metaData = {
    "instance-id": seed.instanceId,
    "local-hostname": seed.hostName,
    ...(seed.publicKey === undefined ? {} : { "public-keys": [seed.publicKey] }),
  };
  return {
    // JSON is YAML too.
    "meta-data": `${JSON.stringify(metaData, undefined, 2)}\n`,
    "user-data": `${preamble(seed.authority)}${seed.userData}`,
  };
}

/** Puts the files where a machine finds them: a folder that is there. */
export async function writeSeed(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    await writeFile(join(folder, name), content, { mode: 0o600 });
  }
}

/**
 * What Lightsail puts in front of a launch script: the key of its browser client, and a restart of sshd while the machine
 * boots. The customer's own first line is a comment after that, and anything but a shell script does not work.
 */
function preamble(authority: string): string {
  return [
    "#!/bin/sh",
    `cat >${authorityPath} <<'EOT'`,
    authority,
    "EOT",
    "cat >>/etc/ssh/sshd_config <<'EOT'",
    "",
    `TrustedUserCAKeys ${authorityPath}`,
    "CASignatureAlgorithms +ssh-rsa",
    "EOT",
    "systemctl restart ssh",
    "",
  ].join("\n");
}

/** The image's user, as Lightsail's blueprints have it; the images here are all Debian 12. */
export function blueprintUser(blueprintId: string): "admin" | "ubuntu" {
  if (blueprintId.startsWith("debian_")) return "admin";
  if (blueprintId.startsWith("ubuntu_")) return "ubuntu";
  throw new RangeError(
    `\`blueprintId\` must be a Debian or an Ubuntu one in a rehearsal, got ${JSON.stringify(blueprintId)}`,
  );
}

/** A public key whose private half nobody has: the rehearsed cloud has no SSH client in a browser. */
export function strangersKey(instanceId: string): string {
  const field = (bytes: Buffer): Buffer => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    return Buffer.concat([length, bytes]);
  };
  const type = "ssh-ed25519";
  const point = createHash("sha256").update(instanceId).digest();
  return `${type} ${Buffer.concat([field(Buffer.from(type)), field(point)]).toString("base64")} lightsail`;
}
