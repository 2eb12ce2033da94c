/** The words that the toolchain's parts share. */

/** What this machine can do; found once by `detectMachine`. */
export interface Machine {
  readonly platform: "linux" | "darwin";
  readonly arch: "amd64" | "arm64";
  /** True when the process runs as root, so containers with their own network namespace need no sudo. */
  readonly root: boolean;
  /** "v1" covers hybrid machines: crun and kubelet refuse them without a setting. */
  readonly cgroup: "v1" | "v2";
  /** False when CAP_SYS_RESOURCE is missing from the bounding set: rlimits and oom_score_adj cannot be raised. */
  readonly sysResource: boolean;
  /** True when /dev/net/tun can be opened, which a node's tailscaled needs. */
  readonly tun: boolean;
}

/** One piece of work on the screen. */
export interface Task {
  /** What it does right now, a few words; may be called often. */
  detail(text: string): void;
  done(text?: string): void;
  fail(text: string): void;
}

/** Where progress goes. The CLI gives one for its terminal, tests give a silent one. */
export interface Reporter {
  /** Starts a piece of work; `expectedSeconds` is what it took when the pin was made, on two cores. */
  start(label: string, expectedSeconds?: number): Task;
  /** A remark worth a line of its own: a fallback and its reason, a warning that needs no action. */
  note(text: string): void;
}

/**
 * Tools of `core` run a cluster, `bench` compares with k3d, `test` is needed by the project's own tests; `rehearsal` adds to
 * `core` the machines of a rehearsed cloud, `libvirt` Pulumi's way to hosts of virtual machines, `vms` what making them there takes beside, `homelab` such a host here, `guest` the image of one that stands in for
 * Flatcar in tests and rehearsals, `mac` what a rehearsed Mac has (part of `test`, too), `registry` the image registry of a cluster. `cloud` is what of `core` drives machines that stand elsewhere: no image, no
 * Debian package.
 */
export type Group =
  | "core"
  | "cloud"
  | "bench"
  | "test"
  | "rehearsal"
  | "libvirt"
  | "vms"
  | "homelab"
  | "guest"
  | "mac"
  | "registry";

/** Where a tool came from: the official release, its Go module, or it was on PATH already. */
export type Source = "download" | "modules" | "path";

/** A row of `./homespan toolchain`. */
export interface ToolRow {
  readonly tool: string;
  readonly group: Group;
  readonly version: string;
  /** Null while the tool is not installed. */
  readonly source: Source | null;
  /** The tool's main file. */
  readonly path: string | null;
  /** Bytes of all its files. */
  readonly size: number | null;
  /** The version that each source offers, so that a difference is never a surprise. */
  readonly offered: { readonly download: string | null; readonly modules: string | null };
}

/** One container image, as `toolchain/images.ts` provides it. */
export interface ImageRow {
  /** Full name with tag, for example `docker.io/rancher/k3s:v1.35.1-k3s1`. */
  readonly name: string;
  readonly source: "registry" | "built";
  /** The archive on disk, or null when the image is only in Podman's store. */
  readonly path: string | null;
  /** Bytes, or null when not known. */
  readonly size: number | null;
}

/** What `prepareImages` gets. */
export interface ImageContext {
  readonly cache: string;
  /** A tool's main file, or for `cni` its folder. Throws an error that names the fix when it is not installed. */
  toolPath(name: string): string;
  readonly machine: Machine;
  readonly reporter: Reporter;
  /** True when images are pulled from their registries, false when they are built on this machine. */
  readonly online: boolean;
}

/** The result of `prepare`. */
export interface Prepared {
  readonly machine: Machine;
  readonly tools: readonly ToolRow[];
  readonly images: readonly ImageRow[];
  /** Explanations that belong to this machine, each worth showing once. */
  readonly notes: readonly string[];
}
