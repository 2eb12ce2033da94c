/**
 * The container images of a cluster, by the names their projects publish them under. Where no image registry can be
 * reached the toolchain builds stand-ins under the same names (images/node/), so nothing else has to know.
 */
export const images = {
  /** Our own; built on this machine from images/steward/Containerfile. */
  steward: "localhost/homespan/steward:0.1.0",
  /** https://hub.docker.com/r/tailscale/tailscale/tags */
  tailscale: "docker.io/tailscale/tailscale:v1.96.0",
  /** https://hub.docker.com/r/rancher/k3s/tags */
  k3s: "docker.io/rancher/k3s:v1.35.1-k3s1",
  /** https://hub.docker.com/r/headscale/headscale/tags */
  headscale: "docker.io/headscale/headscale:0.29.0",
  /** The default of k3s's `pause-image`: https://docs.k3s.io/cli/agent */
  pause: "docker.io/rancher/mirrored-pause:3.6",
  /** As in manifests/coredns.yaml of k3s v1.35.1+k3s1. */
  coredns: "docker.io/rancher/mirrored-coredns-coredns:1.14.0",
  /** What the smoke Deployment runs. https://hub.docker.com/_/busybox */
  busybox: "docker.io/library/busybox:1.36",
} as const;

export type ImageKey = keyof typeof images;

/** Those that only stacks with such a thing need; nobody else pulls or builds them. */
export const optionalImages = {
  /** https://hub.docker.com/_/registry */
  registry: "docker.io/library/registry:3.1.2",
} as const;

export type OptionalImageKey = keyof typeof optionalImages;

/** Where the steward starts from: Debian's own image, or the one the toolchain makes with debootstrap. */
export const baseImages = {
  /** https://hub.docker.com/_/debian */
  registry: "docker.io/library/debian:bookworm-slim",
  built: "localhost/homespan/base:bookworm",
} as const;

/** The images that pods need, which a cluster without a registry gets as archives. https://docs.k3s.io/installation/airgap */
export const clusterImages = ["pause", "coredns", "busybox"] as const satisfies readonly ImageKey[];
