/** What each image is made of. Data only; `images-build.ts` acts on it. */
import {
  images,
  optionalImages,
  type ImageKey,
  type OptionalImageKey,
} from "../components/upstream/images.ts";

/** Images that no cluster runs: those of rehearsals. */
export const rehearsalImages = {
  /** A cloud's machine, by the id of its blueprint. */
  machine: "localhost/homespan/machine:debian_12",
} as const;

export type BuiltKey = ImageKey | OptionalImageKey | keyof typeof rehearsalImages;

/** The name an image is built under. */
export function imageName(key: BuiltKey): string {
  return { ...images, ...optionalImages, ...rehearsalImages }[key];
}

/** How one image is built where it cannot be pulled. */
export interface ImageRecipe {
  readonly key: BuiltKey;
  /** Below the project's root. */
  readonly containerfile: string;
  /** Tools whose main file is copied to `bin/<tool>` of the build context, or, for a folder, to `<tool>/`. */
  readonly tools: readonly string[];
  /** Files and folders of the project that are copied into the context under their own paths. */
  readonly files: readonly string[];
  /** Files of the base image that are copied to `base/` of the context. */
  readonly fromBase: readonly string[];
  /** C source below the project's root, compiled statically to `bin/<name without .c>`. */
  readonly source?: string;
  /** True when the Containerfile begins with the base image (build argument BASE). */
  readonly onBase: boolean;
  /** Keep Podman's layers, so that a change in the files does not repeat the package installation above them. */
  readonly layers: boolean;
  /** What is inside, for the label `homespan.source`: words, or the tool and arguments that print it. */
  readonly content: string | readonly [tool: string, ...args: string[]];
  /** Wall time on two cores, in seconds. */
  readonly expectedSeconds: number;
}

const certificates = "etc/ssl/certs/ca-certificates.crt";

const standIn = (key: BuiltKey): Omit<ImageRecipe, "expectedSeconds" | "content"> => ({
  key,
  containerfile: `images/node/${key}/Containerfile`,
  tools: [],
  files: [],
  fromBase: [],
  onBase: false,
  layers: false,
});

/** Built on this machine wherever it runs. */
export const stewardRecipe: ImageRecipe = {
  ...standIn("steward"),
  containerfile: "images/steward/Containerfile",
  files: ["boot", "images/steward"],
  onBase: true,
  layers: true,
  content: "images/steward",
  expectedSeconds: 30,
};

/**
 * Built on this machine, when a rehearsal is asked for. A k3s that was released has everything in one file; beside one that
 * was built here the machine needs what it starts.
 */
export const machineRecipe = (online: boolean): ImageRecipe => ({
  ...standIn("machine"),
  tools: online ? [] : ["containerd-shim-runc-v2", "runc", "cni"],
  containerfile: "images/machine/Containerfile",
  files: ["images/machine"],
  onBase: true,
  layers: true,
  content: "images/machine",
  expectedSeconds: 60,
});

/** Built only where no registry is reachable, when a stack has a registry of its own. */
export const registryRecipe: ImageRecipe = {
  ...standIn("registry"),
  tools: ["registry"],
  files: ["images/node/registry/config.yml"],
  fromBase: [certificates],
  content: ["registry", "--version"],
  expectedSeconds: 3,
};

/** Built only where no registry is reachable. */
export const standInRecipes: readonly ImageRecipe[] = [
  {
    ...standIn("headscale"),
    tools: ["headscale"],
    fromBase: [certificates],
    content: ["headscale", "version"],
    expectedSeconds: 3,
  },
  {
    ...standIn("tailscale"),
    tools: ["tailscale", "tailscaled"],
    onBase: true,
    content: ["tailscaled", "--version"],
    expectedSeconds: 3,
  },
  {
    ...standIn("k3s"),
    tools: ["k3s", "containerd-shim-runc-v2", "runc", "cni"],
    onBase: true,
    content: ["k3s", "--version"],
    expectedSeconds: 15,
  },
  {
    ...standIn("pause"),
    source: "images/node/pause/pause.c",
    content: "images/node/pause/pause.c",
    expectedSeconds: 2,
  },
  {
    ...standIn("coredns"),
    tools: ["coredns"],
    fromBase: [certificates],
    content: ["coredns", "-version"],
    expectedSeconds: 4,
  },
  {
    ...standIn("busybox"),
    fromBase: ["usr/bin/busybox"],
    content: "busybox 1.35 of Debian bookworm, whatever the tag says",
    expectedSeconds: 2,
  },
];

/** What the base image is made of; a change gives a new base and with it new images. */
export const baseRecipe = {
  suite: "bookworm",
  /** Used where the machine has no mirror of its own configured. https://www.debian.org/mirror/list */
  mirror: "http://deb.debian.org/debian",
  /**
   * What nodes run besides their own programs: firewall, routes, connection tracking, mounts; busybox for its image; ipset,
   * as upstream's image of k3s has it: without it k3s enforces no NetworkPolicy, and says so in its log alone.
   */
  packages: [
    "busybox-static",
    "ca-certificates",
    "conntrack",
    "iproute2",
    "ipset",
    "iptables",
    "kmod",
    "mount",
    "nftables",
    "procps",
  ],
  /** Left out of the archive: caches, documents and what belongs to the machine the archive was made on. */
  excluded: [
    "./dev/*",
    "./etc/hostname",
    "./etc/hosts",
    "./etc/resolv.conf",
    "./usr/share/bug/*",
    "./usr/share/doc/*",
    "./usr/share/info/*",
    "./usr/share/lintian/*",
    "./usr/share/locale/*",
    "./usr/share/man/*",
    "./var/cache/apt/*",
    "./var/cache/debconf/*",
    "./var/lib/apt/lists/*",
    "./var/log/*",
  ],
  environment: "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  expectedSeconds: 60,
} as const;
