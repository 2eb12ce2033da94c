/** Pins of Kubernetes: k3s, the programs its official release carries with it, and the peer it is compared with. */
import { ALL, GITHUB, LINUX, perPlatform } from "./pin-types.ts";
import type { CopyBase, ToolPin } from "./pin-types.ts";

const K3S = "v1.35.1+k3s1";
/** The commit that v1.35.1+k3s1 was released from; the tag itself is not a Go version. */
const k3sModule: CopyBase = {
  kind: "copy",
  module: "github.com/k3s-io/k3s",
  version: "v1.35.1-0.20260131041455-e69d18614fbf",
  // Without its manifests the cloud controller never gets its RBAC.
  copyFiles: { manifests: "pkg/deploy/embed" },
};
const kubernetesVersion = (pkg: string): string =>
  [
    `-X ${pkg}.gitVersion=${K3S}`,
    `-X ${pkg}.gitMajor=1`,
    `-X ${pkg}.gitMinor=35`,
    `-X ${pkg}.gitTreeState=clean`,
  ].join(" ");

const k3s: ToolPin = {
  name: "k3s",
  group: "core",
  purpose: "Kubernetes; also kubectl, crictl and ctr",
  use: "host",
  links: { k3s: "k3s", kubectl: "k3s", crictl: "k3s", ctr: "k3s" },
  download: {
    version: K3S,
    archive: "none",
    files: { k3s: "k3s" },
    platforms: perPlatform(LINUX, (_os, arch) => ({
      url: `${GITHUB}/k3s-io/k3s/releases/download/${encodeURIComponent(K3S)}/${arch === "amd64" ? "k3s" : `k3s-${arch}`}`,
      sums: `${GITHUB}/k3s-io/k3s/releases/download/${encodeURIComponent(K3S)}/sha256sum-${arch}.txt`,
    })),
  },
  modules: {
    version: K3S,
    sets: [
      {
        workspace: "k3s",
        base: k3sModule,
        builds: [{ package: "./cmd/server", output: "k3s" }],
        cgo: true,
        tags: ["ctrd", "netcgo", "osusergo", "providerless", "urfave_cli_no_docs"],
        // k3s refuses to start without UpstreamGolang.
        ldflags: [
          `-X github.com/k3s-io/k3s/pkg/version.Version=${K3S}`,
          "-X github.com/k3s-io/k3s/pkg/version.GitCommit=e69d1861",
          "-X github.com/k3s-io/k3s/pkg/version.UpstreamGolang={goversion}",
          kubernetesVersion("k8s.io/component-base/version"),
          kubernetesVersion("k8s.io/client-go/pkg/version"),
        ].join(" "),
      },
    ],
    platforms: LINUX,
    expectedSeconds: 795,
    cacheGiB: 9,
  },
};

const kubectl: ToolPin = {
  name: "kubectl",
  group: "core",
  purpose: "kubectl where k3s, which carries it, does not run",
  use: "host",
  links: { kubectl: "kubectl" },
  download: {
    version: "v1.35.1",
    archive: "none",
    files: { kubectl: "kubectl" },
    platforms: perPlatform(["darwin/amd64", "darwin/arm64"], (os, arch) => ({
      url: `https://dl.k8s.io/release/v1.35.1/bin/${os}/${arch}/kubectl`,
      sums: `https://dl.k8s.io/release/v1.35.1/bin/${os}/${arch}/kubectl.sha256`,
    })),
  },
};

const shim: ToolPin = {
  name: "containerd-shim-runc-v2",
  group: "core",
  purpose: "what containerd starts for each pod",
  use: "image",
  includedIn: "k3s",
  links: {},
  modules: {
    version: "2.1.5-k3s1",
    sets: [
      {
        workspace: "k3s",
        base: k3sModule,
        builds: [
          {
            package: "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
            output: "containerd-shim-runc-v2",
          },
        ],
      },
    ],
    platforms: LINUX,
    expectedSeconds: 30,
    cacheGiB: 0.5,
  },
};

const runc: ToolPin = {
  name: "runc",
  group: "core",
  purpose: "the runtime of pods; static, with seccomp",
  use: "image",
  includedIn: "k3s",
  links: {},
  modules: {
    version: "1.4.0",
    sets: [
      {
        // In k3s's own copy it meets a cilium/ebpf that its cgroups package does not compile with.
        workspace: "runc",
        base: { kind: "fresh", get: ["github.com/opencontainers/runc@v1.4.0"] },
        builds: [{ package: "github.com/opencontainers/runc", output: "runc" }],
        cgo: true,
        tags: ["seccomp", "netgo", "osusergo"],
        ldflags: "-extldflags -static -X main.version=1.4.0",
      },
    ],
    platforms: LINUX,
    expectedSeconds: 30,
    cacheGiB: 0.3,
  },
};

const cni: ToolPin = {
  name: "cni",
  group: "core",
  purpose: "the network plugins of pods",
  use: "image",
  includedIn: "k3s",
  main: ".",
  links: {},
  modules: {
    version: "1.7.1",
    sets: [
      {
        workspace: "cni",
        base: { kind: "fresh", get: ["github.com/containernetworking/plugins@v1.7.1"] },
        builds: [
          "main/bridge",
          "main/loopback",
          "ipam/host-local",
          "meta/portmap",
          "meta/bandwidth",
          "meta/firewall",
        ].map((path) => ({
          package: `github.com/containernetworking/plugins/plugins/${path}`,
          output: path.replace(/^.*\//, ""),
        })),
      },
      {
        // The last version that carried flannel; with the cni v0.8 it asks for it refuses cniVersion 1.0.0.
        workspace: "cni-flannel",
        base: {
          kind: "copy",
          module: "github.com/containernetworking/plugins",
          version: "v0.9.1",
          dropVendor: true,
          get: ["github.com/containernetworking/cni@v1.3.0"],
        },
        builds: [{ package: "./plugins/meta/flannel", output: "flannel" }],
      },
    ],
    platforms: LINUX,
    expectedSeconds: 25,
    cacheGiB: 0.5,
  },
};

const coredns: ToolPin = {
  name: "coredns",
  group: "core",
  purpose: "the cluster's DNS",
  use: "image",
  links: {},
  download: {
    version: "1.14.0",
    archive: "tar.gz",
    files: { coredns: "coredns" },
    platforms: perPlatform(LINUX, (os, arch) => ({
      url: `${GITHUB}/coredns/coredns/releases/download/v1.14.0/coredns_1.14.0_${os}_${arch}.tgz`,
      sums: `${GITHUB}/coredns/coredns/releases/download/v1.14.0/coredns_1.14.0_${os}_${arch}.tgz.sha256`,
    })),
  },
  modules: {
    version: "1.14.0",
    sets: [
      {
        workspace: "coredns",
        base: { kind: "fresh", get: ["github.com/coredns/coredns@v1.14.0"] },
        builds: [{ package: "github.com/coredns/coredns", output: "coredns" }],
      },
    ],
    platforms: LINUX,
    expectedSeconds: 185,
    cacheGiB: 1.5,
  },
};

const k3d: ToolPin = {
  name: "k3d",
  group: "bench",
  purpose: "the peer that `bench/` compares with",
  use: "host",
  links: { k3d: "k3d" },
  download: {
    version: "5.8.3",
    archive: "none",
    files: { k3d: "k3d" },
    platforms: perPlatform(ALL, (os, arch) => ({
      url: `${GITHUB}/k3d-io/k3d/releases/download/v5.8.3/k3d-${os}-${arch}`,
      sums: `${GITHUB}/k3d-io/k3d/releases/download/v5.8.3/checksums.txt`,
    })),
  },
  modules: {
    version: "5.8.3",
    sets: [
      {
        workspace: "k3d",
        base: { kind: "copy", module: "github.com/k3d-io/k3d/v5", version: "v5.8.3" },
        builds: [{ package: ".", output: "k3d" }],
        ldflags: "-X github.com/k3d-io/k3d/v5/version.Version=v5.8.3",
      },
    ],
    platforms: ALL,
    expectedSeconds: 60,
    cacheGiB: 1,
  },
};

export const kubernetesPins: readonly ToolPin[] = [k3s, kubectl, shim, runc, cni, coredns, k3d];
