/** What a virtual machine of Lima's finds at its start. */
import { sourceOf } from "./first-files.ts";

/** One entry of `provision`. Lima writes files before it runs scripts, and does both at every start. https://github.com/lima-vm/lima/blob/v2.2.0/templates/default.yaml */
export type LimaProvision =
  | {
      readonly mode: "data";
      readonly path: string;
      readonly permissions: "644" | "755";
      readonly content: string;
    }
  | { readonly mode: "system"; readonly script: string };

const script = "boot/machine/lima/provision";

/** Files of this project that {@link limaProvision} needs the content of. */
export const limaSources: readonly string[] = [script];

export interface LimaFirstStart {
  /** Content of {@link limaSources}, by path in this project. */
  readonly sources: Readonly<Record<string, string>>;
  /** User-data, as a cloud's machine gets it (`renderUserData`). */
  readonly userData: string;
  /** Who may log in beside Lima itself: the cluster's key, one line. */
  readonly authorizedKey: string;
}

/**
 * User-data and the key that opens the machine. Nothing secret is in it, and no boot file: they come by SSH, as to a cloud's
 * machine.
 *
 * @throws RangeError for a key that is not one line
 */
export function limaProvision({ sources, userData, authorizedKey }: LimaFirstStart): LimaProvision[] {
  if (!/^[a-z0-9@.-]+ AAAA[A-Za-z0-9+/=]*( [\x20-\x7e]*)?$/.test(authorizedKey)) {
    throw new RangeError(
      `\`authorizedKey\` must be a public key in one line, got ${JSON.stringify(authorizedKey)}`,
    );
  }
  return [
    file("/etc/cloud/cloud.cfg.d/90-homespan.cfg", keepsHostKeys),
    file("/etc/ssh/sshd_config.d/10-homespan.conf", sshdConfig),
    file(keys, `${authorizedKey}\n`),
    file("/var/lib/homespan/lima/user-data", userData, "755"),
    { mode: "system", script: sourceOf(sources, script) },
  ];
}

const keys = "/etc/ssh/homespan_keys";

/**
 * Lima gives a machine another instance id at every start, so cloud-init takes it for a new machine, whose host keys it makes
 * anew; ours is known by them. https://cloudinit.readthedocs.io/en/latest/reference/modules.html#ssh
 */
const keepsHostKeys = "ssh_deletekeys: false\n";

/** cloud-init writes Lima's key into the user's own file, at every start. */
const sshdConfig = [
  "PasswordAuthentication no",
  "KbdInteractiveAuthentication no",
  "PermitRootLogin no",
  `AuthorizedKeysFile .ssh/authorized_keys ${keys}`,
  "",
].join("\n");

function file(path: string, content: string, permissions: "644" | "755" = "644"): LimaProvision {
  return { mode: "data", path, permissions, content };
}
