import {
  fedoraCoreosDisk,
  fedoraCoreosPaths,
  fedoraCoreosUser,
  k3sSelinux,
  zincatiConfig,
} from "../upstream/fedora-coreos.ts";
import { firstFileSources, sourceOf } from "./first-files.ts";
import { type ImmutableMachine, type Places, bootUnit, immutableMachine } from "./immutable-machine.ts";
import type { IgnitionConfig, IgnitionDownload, IgnitionUnit } from "./ignition.ts";
import type { Artifact } from "./machine-files.ts";

export interface FedoraCoreosMachine extends Omit<ImmutableMachine, "dataDisk"> {
  /** k3s itself: put in the place of the one that an earlier installation left in /var. */
  readonly k3s: IgnitionDownload;
}

/** Where Fedora CoreOS keeps what is not its own: all of it in /var. */
export const fedoraCoreosPlaces: Places = {
  user: fedoraCoreosUser,
  library: fedoraCoreosPaths.library,
  data: fedoraCoreosPaths.data,
  programs: fedoraCoreosPaths.programs,
};

const hostKeysSource = "boot/machine/installed/host-keys";

/** Files of this project that {@link fedoraCoreosIgnition} needs the content of. */
export const fedoraCoreosSources: readonly string[] = [hostKeysSource, ...firstFileSources];

/**
 * k3s as Ignition downloads it, from the first place that has it.
 *
 * @throws RangeError where no sum is known for this kind of machine
 */
export function ignitionK3s(artifacts: readonly Artifact[]): IgnitionDownload {
  const download = artifacts.find(({ name }) => name === "K3S")?.downloads.amd64;
  const [url] = download?.urls ?? [];
  if (download === undefined || url === undefined) {
    throw new RangeError("`artifacts` must have k3s for amd64 with its sum, got none");
  }
  return { url, sha256: download.sha256 };
}

/**
 * The first configuration of a node on Fedora CoreOS.
 *
 * /var is a partition of its own that an installation finds and keeps, with the node's data in it, and with the machine's
 * host keys: so whatever Ignition writes below /var replaces what is there. The machine starts twice: with k3s's SELinux policy layered on the system it
 * restarts, and only then runs the boot sequence.
 */
export function fedoraCoreosIgnition(machine: FedoraCoreosMachine): IgnitionConfig {
  const common = immutableMachine({ ...machine, dataDisk: "none" }, fedoraCoreosPlaces);
  const { device, root } = fedoraCoreosDisk;
  return {
    ...common,
    disks: [
      {
        device,
        partitions: [
          { ...root, resize: true },
          // Behind the image's four, whose numbers an installation gives to nothing else.
          { number: 5, label: "var" },
        ],
      },
    ],
    filesystems: [{ device: "/dev/disk/by-partlabel/var", format: "xfs", label: "var", path: "/var" }],
    files: [
      ...common.files.map((file) => ({ ...file, overwrite: true })),
      {
        path: `${fedoraCoreosPaths.programs}/k3s`,
        mode: 0o755,
        contents: machine.k3s,
        overwrite: true,
      },
      {
        path: hostKeysProgram,
        mode: 0o755,
        contents: sourceOf(machine.sources, hostKeysSource),
        overwrite: true,
      },
      { path: k3sSelinux.repository.path, mode: 0o644, contents: repository, overwrite: true },
      { path: zincatiConfig, mode: 0o644, contents: "[updates]\nenabled = false\n", overwrite: true },
    ],
    units: [
      ...common.units.filter(({ name }) => name !== bootUnit),
      // Named here also where the unit itself is delivered later.
      {
        name: bootUnit,
        ...common.units.find(({ name }) => name === bootUnit),
        dropIns: { "10-policy.conf": policyIsThere },
      },
      varMount,
      hostKeys,
      layering,
    ],
  };
}

const repository = [
  "[rancher-k3s-common-stable]",
  "name=Rancher K3s Common (stable)",
  `baseurl=${k3sSelinux.repository.url}`,
  "enabled=1",
  "gpgcheck=1",
  "repo_gpgcheck=0",
  `gpgkey=${k3sSelinux.repository.key}`,
  "",
].join("\n");

/** The boot sequence waits for the second start. */
const policyIsThere = `[Unit]\nConditionPathExists=${k3sSelinux.policy}\n`;

/** As Butane writes one (`with_mount_unit`): Ignition's own mount is for its own time alone. */
const varMount: IgnitionUnit = {
  name: "var.mount",
  enabled: true,
  contents: [
    "[Unit]",
    String.raw`Requires=systemd-fsck@dev-disk-by\x2dpartlabel-var.service`,
    String.raw`After=systemd-fsck@dev-disk-by\x2dpartlabel-var.service`,
    "",
    "[Mount]",
    "Where=/var",
    "What=/dev/disk/by-partlabel/var",
    "Type=xfs",
    "",
    "[Install]",
    "RequiredBy=local-fs.target",
    "",
  ].join("\n"),
};

const hostKeysProgram = `${fedoraCoreosPaths.library}/host-keys`;

/** https://src.fedoraproject.org/rpms/openssh: sshd.service comes after sshd-keygen.target, which makes keys that are missing. */
const hostKeys: IgnitionUnit = {
  name: "homespan-host-keys.service",
  enabled: true,
  contents: [
    "# Homespan: the machine's SSH host keys outlive an installation, as the node's data does.",
    "[Unit]",
    "Description=Homespan, SSH host keys",
    "RequiresMountsFor=/var",
    "After=sshd-keygen.target",
    "Before=sshd.service",
    "",
    "[Service]",
    "Type=oneshot",
    `ExecStart=${hostKeysProgram}`,
    "",
    "[Install]",
    "WantedBy=multi-user.target",
    "",
  ].join("\n"),
};

/** https://docs.fedoraproject.org/en-US/fedora-coreos/os-extensions/ */
const layering: IgnitionUnit = {
  name: "homespan-layering.service",
  enabled: true,
  contents: [
    "# Homespan: k3s's SELinux policy becomes part of the system, once; the machine then starts anew.",
    "[Unit]",
    "Description=Homespan, k3s's SELinux policy",
    "Wants=network-online.target",
    "After=network-online.target",
    "Before=zincati.service",
    `ConditionPathExists=!${k3sSelinux.policy}`,
    "StartLimitIntervalSec=0",
    "",
    "[Service]",
    "Type=oneshot",
    "RemainAfterExit=yes",
    `ExecStart=/usr/bin/rpm-ostree install --assumeyes --allow-inactive --idempotent ${k3sSelinux.package}`,
    "ExecStart=/usr/bin/systemctl --no-block reboot",
    "Restart=on-failure",
    "RestartSec=30",
    "",
    "[Install]",
    "WantedBy=multi-user.target",
    "",
  ].join("\n"),
};
