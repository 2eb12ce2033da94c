/** Pin of the program that compares a node with the CIS benchmark for k3s, and of the part of its folder that says how. */
import { GITHUB, LINUX, perPlatform } from "./pin-types.ts";
import type { ToolPin } from "./pin-types.ts";

const VERSION = "0.12.0";

/** The newest profile of this version, as components/upstream/hardening.ts names it, and what all profiles share. */
const profile = Object.fromEntries(
  [
    "config.yaml",
    ...["config", "controlplane", "etcd", "master", "node", "policies"].map((it) => `k3s-cis-1.8/${it}.yaml`),
  ].map((path) => [`cfg/${path}`, `cfg/${path}`]),
);

export const kubeBench: ToolPin = {
  name: "kube-bench",
  group: "test",
  purpose: "compares rehearsed nodes with the CIS benchmark for k3s",
  use: "host",
  links: { "kube-bench": "kube-bench" },
  download: {
    version: VERSION,
    archive: "tar.gz",
    files: { "kube-bench": "kube-bench", ...profile },
    platforms: perPlatform(LINUX, (os, arch) => ({
      url: `${GITHUB}/aquasecurity/kube-bench/releases/download/v${VERSION}/kube-bench_${VERSION}_${os}_${arch}.tar.gz`,
      sums: `${GITHUB}/aquasecurity/kube-bench/releases/download/v${VERSION}/kube-bench_${VERSION}_checksums.txt`,
    })),
  },
  modules: {
    version: VERSION,
    sets: [
      {
        workspace: "kube-bench",
        base: { kind: "copy", module: "github.com/aquasecurity/kube-bench", version: `v${VERSION}` },
        builds: [{ package: ".", output: "kube-bench" }],
        assets: profile,
        ldflags: `-X github.com/aquasecurity/kube-bench/cmd.KubeBenchVersion=v${VERSION}`,
      },
    ],
    platforms: LINUX,
    expectedSeconds: 140,
    cacheGiB: 1.5,
  },
};
