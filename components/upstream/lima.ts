/** Literals of Lima. */

/** The first release with `limactl autostart`. https://lima-vm.io/docs/usage/autostart/ */
export const leastLima = "2.2.0";

/** Drivers of virtual machines. https://lima-vm.io/docs/config/vmtype/ */
export const limaDrivers = ["vz", "qemu"] as const;
export type LimaDriver = (typeof limaDrivers)[number];

/** Below this macOS, Linux 6.2 to 6.x does not start on vz. https://lima-vm.io/docs/config/vmtype/vz/#known-issues */
export const leastMacosForVz = "13.5";
/** Below this macOS, Linux 6.12 and later does not start on vz of an Intel Mac. https://github.com/lima-vm/lima/issues/3334 */
export const leastIntelMacosForNewLinux = "15.5";

/** Lima's own network without root; the machines of one Mac see each other in it. https://lima-vm.io/docs/config/network/user-v2/ */
export const limaUserNetwork = "user-v2";

/** macOS, the shorter one; Linux has 108. https://github.com/lima-vm/lima/blob/v2.2.0/pkg/osutil/osutil_others.go (UnixPathMax) */
export const limaSocketPathLimit = 104;
/** The longest name of a socket in an instance's directory. https://github.com/lima-vm/lima/blob/v2.2.0/pkg/limatype/filenames/filenames.go (LongestSock) */
export const limaLongestSocket = "ssh.sock.1234567890123456";

/** Names of instances and disks. https://github.com/lima-vm/lima/blob/v2.2.0/pkg/identifiers/validate.go */
export const limaName = { longest: 76, pattern: /^[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*$/ } as const;

/** Name of the user in the virtual machine; Lima's own would be called as whoever runs it. https://github.com/lima-vm/lima/blob/v2.2.0/templates/default.yaml */
export const limaUser = { name: "homespan", home: "/home/homespan", uid: 1000 } as const;

/** A system's image for one kind of processor. */
export interface LimaImage {
  readonly arch: "x86_64" | "aarch64";
  readonly location: string;
  /** 64 hexadecimal digits. */
  readonly sha256: string;
}

/**
 * Images by sum, for Intel and for Apple's processors, as Lima's own templates pin them. Canonical removes a dated image
 * after some months.
 * https://github.com/lima-vm/lima/blob/v2.2.0/templates/_images/ubuntu-24.04.yaml, .../ubuntu-25.10.yaml
 */
export const limaImages = {
  "ubuntu-24.04": ubuntu("noble/release-20260705/ubuntu-24.04", {
    x86_64: "ffe6203da54deeb6db5d2a98a83f9ec8e55f149d3f7ba622e1abe5fa966ee3d6",
    aarch64: "7df0201546f75b8bcc1044594c806c35749421ad3c9bc1be2a3ab806cfae39cc",
  }),
  "ubuntu-25.10": ubuntu("questing/release-20260703/ubuntu-25.10", {
    x86_64: "8dcdab6de56c2f4b56236d33909a7c5d79217469c2a76b6cd3cde969d63522a8",
    aarch64: "3d0d12d76c2ae8ba4029f537c3b6094ee5fca28fd05c8d7fe2895ff39cc2a754",
  }),
} as const satisfies Readonly<Record<string, readonly LimaImage[]>>;

export type LimaImageName = keyof typeof limaImages;

function ubuntu(release: string, sums: Readonly<Record<LimaImage["arch"], string>>): readonly LimaImage[] {
  const image = (arch: LimaImage["arch"], canonical: string): LimaImage => ({
    arch,
    location: `https://cloud-images.ubuntu.com/releases/${release}-server-cloudimg-${canonical}.img`,
    sha256: sums[arch],
  });
  return [image("x86_64", "amd64"), image("aarch64", "arm64")];
}

/** Where Homebrew puts programs; a command by SSH does not look there. https://docs.brew.sh/Installation */
export const homebrewPrograms = "/opt/homebrew/bin:/usr/local/bin";
