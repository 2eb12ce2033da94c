/** Literals of Flatcar Container Linux. */

/** https://www.flatcar.org/docs/latest/container-runtimes/ and .../provisioning/sysext/: /usr is read-only, /opt is for programs of one's own. */
export const flatcarPaths = {
  /** On PATH of every login and unit. */
  programs: "/opt/bin",
  library: "/opt/homespan",
} as const;

/** The user with sudo without a password. https://www.flatcar.org/docs/latest/setup/security/adding-users/ */
export const flatcarUser = "core";

/** What QEMU's firmware configuration device is asked for. https://www.flatcar.org/docs/latest/installing/vms/libvirt/ */
export const flatcarFirmwareConfig = "opt/org.flatcar-linux/config";

/** Restart of the machine after an update, and the update itself. https://www.flatcar.org/docs/latest/setup/releases/update-strategies/ */
export const flatcarUpdateUnits = ["locksmithd.service", "update-engine.service"] as const;

/** Parts of the system that bring Docker and containerd: an empty link keeps one out. https://www.flatcar.org/docs/latest/container-runtimes/use-a-custom-docker-or-containerd-version/ */
export const flatcarContainerExtensions = ["docker-flatcar", "containerd-flatcar"] as const;

/** https://www.flatcar.org/docs/latest/installing/vms/libvirt/: the image for QEMU, of processors of the kind amd64. */
export const flatcarReleases = {
  host: "release.flatcar-linux.net",
  board: "amd64-usr",
  image: "flatcar_production_qemu_image.img",
} as const;

/** "Flatcar Buildbot (Official Builds)". Subkeys sign, and change; the primary key stays. https://www.flatcar.org/docs/latest/updates-releases/releases/verify-images/ */
export const flatcarSigningKey = {
  file: "Flatcar_Image_Signing_Key.asc",
  url: "https://www.flatcar.org/security/image-signing-key/Flatcar_Image_Signing_Key.asc",
  fingerprint: "F88CFEDEFF29A5B4D9523864E25D9AED0593B34A",
} as const;
