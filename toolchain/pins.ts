/**
 * Every tool: what it is for, the official release, and how it is built from its Go module where only package
 * registries can be reached. Nothing else in the project names a tool's version.
 *
 * The two sources may differ in version, because not every version is served as a module; each pin says both
 * and `./homespan toolchain` shows which one is installed. The k3s of the ci stack is the same in both.
 */
import { ALL, GITHUB, LINUX, perPlatform } from "./pin-types.ts";
import type { DownloadPin, ModulesPin, ToolPin } from "./pin-types.ts";
import { homelabPins } from "./pins-homelab.ts";
import { kubernetesPins } from "./pins-k3s.ts";
import { kubeBench } from "./pins-kube-bench.ts";
import { registry } from "./pins-registry.ts";
import { rehearsalPins } from "./pins-rehearsal.ts";

/** https://github.com/pulumi/pulumi-command/releases: GoReleaser's names. */
const pulumiPlugin = (name: string, version: string): DownloadPin => ({
  version,
  archive: "tar.gz",
  files: { [`pulumi-resource-${name}`]: `pulumi-resource-${name}` },
  platforms: perPlatform(ALL, (os, arch) => ({
    url: `${GITHUB}/pulumi/pulumi-${name}/releases/download/v${version}/pulumi-resource-${name}-v${version}-${os}-${arch}.tar.gz`,
    sums: `${GITHUB}/pulumi/pulumi-${name}/releases/download/v${version}/pulumi-${name}_${version}_checksums.txt`,
  })),
});

const pulumi: ToolPin = {
  name: "pulumi",
  group: "core",
  purpose: "the Pulumi CLI and engine",
  use: "host",
  onPath: "pulumi",
  links: { pulumi: "pulumi" },
  download: {
    version: "3.250.0",
    archive: "tar.gz",
    files: { "pulumi/pulumi": "pulumi", "pulumi/pulumi-language-nodejs": "pulumi-language-nodejs" },
    platforms: perPlatform(ALL, (os, arch) => ({
      url: `https://get.pulumi.com/releases/sdk/pulumi-v3.250.0-${os}-${arch === "amd64" ? "x64" : arch}.tar.gz`,
      sums: `${GITHUB}/pulumi/pulumi/releases/download/v3.250.0/pulumi-3.250.0-checksums.txt`,
    })),
  },
  modules: {
    version: "3.250.0",
    sets: [
      {
        workspace: "pulumi",
        base: {
          kind: "fresh",
          require: ["github.com/pulumi/pulumi/pkg/v3@v3.250.0", "github.com/pulumi/pulumi/sdk/v3@v3.250.0"],
          // The replace of pulumi's own go.mod, which Go ignores in a dependency.
          replace: [
            "github.com/atotto/clipboard=github.com/tgummerer/clipboard@v0.0.0-20241001131231-d02d263e614e",
          ],
        },
        builds: [{ package: "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi", output: "pulumi" }],
        ldflags: "-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v3.250.0",
      },
    ],
    platforms: ALL,
    expectedSeconds: 419,
    cacheGiB: 5,
  },
};

const command: ToolPin = {
  name: "pulumi-resource-command",
  group: "core",
  purpose: "Pulumi's command provider",
  use: "host",
  plugin: "command",
  links: { "pulumi-resource-command": "pulumi-resource-command" },
  download: pulumiPlugin("command", "1.2.1"),
  modules: {
    version: "0.9.2",
    sets: [
      {
        // A copy, because its go.sum vouches for versions that the public checksum database does not list.
        workspace: "pulumi-command",
        base: {
          kind: "copy",
          module: "github.com/pulumi/pulumi-command/provider",
          version: "v0.0.0-20240112221901-2fe00b62fa4d",
          // The version it asks for panics in Cancel at the end of every run.
          get: ["github.com/pulumi/pulumi-go-provider@v0.16.0"],
        },
        builds: [{ package: "./cmd/pulumi-resource-command", output: "pulumi-resource-command" }],
        ldflags: "-X github.com/pulumi/pulumi-command/provider/pkg/version.Version=0.9.2",
      },
    ],
    platforms: ALL,
    expectedSeconds: 132,
    cacheGiB: 1.5,
  },
};

const kubernetes: ToolPin = {
  name: "pulumi-resource-kubernetes",
  group: "core",
  purpose: "Pulumi's Kubernetes provider",
  use: "host",
  plugin: "kubernetes",
  links: { "pulumi-resource-kubernetes": "pulumi-resource-kubernetes" },
  download: pulumiPlugin("kubernetes", "4.34.2"),
  modules: {
    version: "4.18.1",
    sets: [
      {
        workspace: "pulumi-kubernetes",
        base: {
          kind: "copy",
          module: "github.com/pulumi/pulumi-kubernetes/provider/v4",
          version: "v4.0.0-20240930223531-b7dae6b4ea56",
          replace: [
            "github.com/pulumi/pulumi-kubernetes/sdk/v4=github.com/pulumi/pulumi-kubernetes/sdk/v4@v4.18.1",
          ],
          copyFiles: {
            "cmd/pulumi-resource-kubernetes/schema.json": "cmd/pulumi-resource-kubernetes/schema-embed.json",
            "cmd/pulumi-resource-kubernetes/terraform-mapping.json":
              "cmd/pulumi-resource-kubernetes/terraform-mapping-embed.json",
          },
        },
        builds: [{ package: "./cmd/pulumi-resource-kubernetes", output: "pulumi-resource-kubernetes" }],
        // Two components that this project does not use bring all of the generated SDK.
        unoptimized: "github.com/pulumi/pulumi-kubernetes/sdk/v4/...",
        ldflags: "-X github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/version.Version=v4.18.1",
      },
    ],
    platforms: ALL,
    expectedSeconds: 410,
    cacheGiB: 4,
  },
};

const TAILSCALE_LINUX = "1.96.4";
const tailscaleDownload = (program: string): DownloadPin => ({
  version: TAILSCALE_LINUX,
  archive: "tar.gz",
  files: { [`tailscale_${TAILSCALE_LINUX}_{arch}/${program}`]: program },
  // macOS has an application instead of an archive of programs.
  platforms: perPlatform(LINUX, (_os, arch) => ({
    url: `https://pkgs.tailscale.com/stable/tailscale_${TAILSCALE_LINUX}_${arch}.tgz`,
    sums: `https://pkgs.tailscale.com/stable/tailscale_${TAILSCALE_LINUX}_${arch}.tgz.sha256`,
  })),
});
const tailscaleModules = (program: string, expectedSeconds: number, cacheGiB: number): ModulesPin => ({
  version: "1.96.0",
  sets: [
    {
      workspace: "tailscale",
      base: { kind: "fresh", get: ["tailscale.com@v1.96.0"] },
      builds: [{ package: `tailscale.com/cmd/${program}`, output: program }],
      ldflags: "-X tailscale.com/version.shortStamp=1.96.0 -X tailscale.com/version.longStamp=1.96.0",
    },
  ],
  platforms: ALL,
  expectedSeconds,
  cacheGiB,
});

const tailscale: ToolPin = {
  name: "tailscale",
  group: "core",
  purpose: "Tailscale's command line",
  use: "host",
  links: { tailscale: "tailscale" },
  download: tailscaleDownload("tailscale"),
  modules: tailscaleModules("tailscale", 95, 1.5),
};

const tailscaled: ToolPin = {
  name: "tailscaled",
  group: "core",
  purpose: "Tailscale's daemon",
  use: "host",
  links: { tailscaled: "tailscaled" },
  download: tailscaleDownload("tailscaled"),
  modules: tailscaleModules("tailscaled", 95, 0.5),
};

const headscale: ToolPin = {
  name: "headscale",
  group: "core",
  purpose: "the tailnet's control server",
  use: "image",
  links: { headscale: "headscale" },
  download: {
    version: "0.29.0",
    archive: "none",
    files: { headscale: "headscale" },
    platforms: perPlatform(ALL, (os, arch) => ({
      url: `${GITHUB}/juanfont/headscale/releases/download/v0.29.0/headscale_0.29.0_${os}_${arch}`,
      sums: `${GITHUB}/juanfont/headscale/releases/download/v0.29.0/checksums.txt`,
    })),
  },
  modules: {
    version: "0.29.0",
    sets: [
      {
        workspace: "headscale",
        base: { kind: "fresh", get: ["github.com/juanfont/headscale@v0.29.0"] },
        builds: [{ package: "github.com/juanfont/headscale/cmd/headscale", output: "headscale" }],
        ldflags: "-X github.com/juanfont/headscale/hscontrol/types.Version=v0.29.0",
      },
    ],
    platforms: ALL,
    expectedSeconds: 181,
    cacheGiB: 2,
  },
};

/** In the order they are prepared: what a run needs first comes first. */
export const PINS: readonly ToolPin[] = [
  pulumi,
  command,
  tailscale,
  tailscaled,
  headscale,
  ...kubernetesPins,
  kubernetes,
  ...homelabPins,
  kubeBench,
  registry,
  ...rehearsalPins,
];
