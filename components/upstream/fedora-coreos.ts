/** Literals of Fedora CoreOS. */

export const fedoraCoreosPaths = {
  /** https://docs.fedoraproject.org/en-US/fedora-coreos/storage/: /usr/local is /var/usrlocal. Where policy files k3s as what starts containers. */
  programs: "/usr/local/bin",
  /** As /usr/local/bin, of a type that systemd may start. */
  library: "/usr/local/libexec/homespan",
  /** / takes no directories. https://docs.fedoraproject.org/en-US/fedora-coreos/composefs/ */
  data: "/var/lib/homespan/data",
} as const;

/** The user with sudo without a password. https://docs.fedoraproject.org/en-US/fedora-coreos/authentication/ */
export const fedoraCoreosUser = "core";

/** https://coreos.github.io/ignition/supported-platforms/ (qemu) */
export const fedoraCoreosFirmwareConfig = "opt/com.coreos/config";

/**
 * The disk the system starts from, and its partition of the system's own.
 * https://docs.fedoraproject.org/en-US/fedora-coreos/storage/: with less than 8 GiB updates have no room.
 */
export const fedoraCoreosDisk = {
  device: "/dev/disk/by-id/coreos-boot-disk",
  root: { label: "root", number: 4, sizeMiB: 8192 },
} as const;

/** Updates by itself, with a restart at any time. https://docs.fedoraproject.org/en-US/fedora-coreos/auto-updates/ */
export const zincatiConfig = "/etc/zincati/config.d/90-homespan.toml";

/** https://github.com/k3s-io/k3s-selinux */
export const k3sSelinux = {
  package: "k3s-selinux",
  /** Brought by the package. */
  policy: "/usr/share/selinux/packages/k3s.pp",
  repository: {
    path: "/etc/yum.repos.d/rancher-k3s-common.repo",
    url: "https://rpm.rancher.io/k3s/stable/common/coreos/noarch",
    key: "https://rpm.rancher.io/public.key",
  },
} as const;
