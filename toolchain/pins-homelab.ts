/** Pins of virtual machines at home: libvirt through Pulumi, and what reads or checks such a machine's first configuration. */
import { ALL, GITHUB, LINUX, perPlatform } from "./pin-types.ts";
import type { CopyBase, ToolPin } from "./pin-types.ts";

/** The Terraform provider sdks/libvirt is generated from; another one is another SDK (`./homespan toolchain sdk`). */
const LIBVIRT = "0.8.3";
/** The release of Pulumi's bridge that sdks/libvirt names, and the bridge module that stands in for it where only modules are reached. */
const BRIDGE = "1.1.4";
const BRIDGE_MODULE = "3.128.0";
/** What sdks/libvirt is made from. */
export const libvirtSdk = {
  provider: "dmacvicar/libvirt",
  providerVersion: LIBVIRT,
  bridgeVersion: BRIDGE,
} as const;

const IGNITION = "2.24.0";
const BUTANE = "0.24.0";
const LIMA = "2.2.0";

const bridge: ToolPin = {
  name: "pulumi-resource-terraform-provider",
  group: "libvirt",
  purpose: "Pulumi's way to any Terraform provider",
  use: "host",
  plugin: "terraform-provider",
  links: { "pulumi-resource-terraform-provider": "pulumi-resource-terraform-provider" },
  download: {
    version: BRIDGE,
    archive: "tar.gz",
    files: { "pulumi-resource-terraform-provider": "pulumi-resource-terraform-provider" },
    platforms: perPlatform(ALL, (os, arch) => ({
      url: `${GITHUB}/pulumi/pulumi-terraform-provider/releases/download/v${BRIDGE}/pulumi-resource-terraform-provider-v${BRIDGE}-${os}-${arch}.tar.gz`,
      sums: `${GITHUB}/pulumi/pulumi-terraform-provider/releases/download/v${BRIDGE}/pulumi-terraform-provider_${BRIDGE}_checksums.txt`,
    })),
  },
  modules: {
    version: BRIDGE_MODULE,
    sets: [
      {
        // A copy, because Terraform's plugin SDK is replaced by Pulumi's in its go.mod.
        workspace: "pulumi-terraform-bridge",
        base: {
          kind: "copy",
          module: "github.com/pulumi/pulumi-terraform-bridge/v3",
          version: `v${BRIDGE_MODULE}`,
        },
        builds: [{ package: "./dynamic", output: "pulumi-resource-terraform-provider" }],
        // It says what it stands in for, and what it is.
        ldflags: `-X github.com/pulumi/pulumi-terraform-bridge/v3/dynamic/version.version=v${BRIDGE}+bridge.${BRIDGE_MODULE}`,
      },
    ],
    platforms: ALL,
    expectedSeconds: 120,
    cacheGiB: 2,
  },
};

const libvirt: ToolPin = {
  name: "terraform-provider-libvirt",
  group: "libvirt",
  purpose: "the Terraform provider for libvirt",
  use: "host",
  // The official bridge downloads it by itself.
  includedIn: "pulumi-resource-terraform-provider",
  links: {},
  places: {
    [`terraform/registry.opentofu.org/dmacvicar/libvirt/${LIBVIRT}/{os}_{arch}/terraform-provider-libvirt_v${LIBVIRT}`]:
      "terraform-provider-libvirt",
  },
  modules: {
    version: LIBVIRT,
    sets: [
      {
        workspace: "terraform-provider-libvirt",
        base: {
          kind: "copy",
          module: "github.com/dmacvicar/terraform-provider-libvirt",
          version: `v${LIBVIRT}`,
        },
        builds: [{ package: ".", output: "terraform-provider-libvirt" }],
      },
    ],
    platforms: ALL,
    expectedSeconds: 40,
    cacheGiB: 0.5,
  },
};

const ignitionModule: CopyBase = {
  kind: "copy",
  module: "github.com/coreos/ignition/v2",
  version: `v${IGNITION}`,
};
/** The machines it is built for here have no SELinux. */
const withoutLabels = "-X github.com/coreos/ignition/v2/internal/distro.selinuxRelabel=false";
const ignitionVersion = `-X github.com/coreos/ignition/v2/internal/version.Raw=v${IGNITION}`;

const ignitionValidate: ToolPin = {
  name: "ignition-validate",
  group: "test",
  purpose: "checks the first configuration of immutable machines",
  use: "host",
  links: { "ignition-validate": "ignition-validate" },
  modules: {
    version: IGNITION,
    sets: [
      {
        workspace: "ignition",
        base: ignitionModule,
        builds: [{ package: "./validate", output: "ignition-validate" }],
        ldflags: ignitionVersion,
      },
    ],
    platforms: ALL,
    expectedSeconds: 20,
    cacheGiB: 0.5,
  },
};

const ignition: ToolPin = {
  name: "ignition",
  group: "guest",
  purpose: "applies that configuration on a rehearsed machine's first start",
  use: "host",
  links: {},
  modules: {
    version: IGNITION,
    sets: [
      {
        workspace: "ignition",
        base: ignitionModule,
        builds: [{ package: "./internal", output: "ignition" }],
        // libblkid tells it which file system a disk has.
        cgo: true,
        ldflags: `${ignitionVersion} ${withoutLabels}`,
      },
    ],
    platforms: LINUX,
    expectedSeconds: 60,
    cacheGiB: 1,
  },
};

const butane: ToolPin = {
  name: "butane",
  group: "test",
  purpose: "Ignition's own translator, for comparison in tests",
  use: "host",
  links: { butane: "butane" },
  modules: {
    version: BUTANE,
    sets: [
      {
        workspace: "butane",
        base: { kind: "copy", module: "github.com/coreos/butane", version: `v${BUTANE}` },
        builds: [{ package: "./internal", output: "butane" }],
        ldflags: `-X github.com/coreos/butane/internal/version.Raw=v${BUTANE}`,
      },
    ],
    platforms: ALL,
    expectedSeconds: 20,
    cacheGiB: 0.5,
  },
};

/** Names of Lima's releases. */
const LIMA_PLATFORMS: Readonly<Record<string, string>> = {
  "linux/amd64": "Linux-x86_64",
  "linux/arm64": "Linux-aarch64",
  "darwin/amd64": "Darwin-x86_64",
  "darwin/arm64": "Darwin-arm64",
};

/** Judges what is rendered for Lima, and is what a rehearsed Mac has. A real one has Lima as a whole, its own affair (docs/lima.md). */
const limactl: ToolPin = {
  name: "limactl",
  group: "mac",
  purpose: "checks the virtual machines of a Mac, and makes those of a rehearsed one",
  use: "host",
  links: { limactl: "limactl" },
  download: {
    version: LIMA,
    archive: "tar.gz",
    files: { "bin/limactl": "limactl" },
    platforms: perPlatform(ALL, (os, arch) => ({
      url: `${GITHUB}/lima-vm/lima/releases/download/v${LIMA}/lima-${LIMA}-${LIMA_PLATFORMS[`${os}/${arch}`] ?? ""}.tar.gz`,
      sums: `${GITHUB}/lima-vm/lima/releases/download/v${LIMA}/SHA256SUMS`,
    })),
  },
  modules: {
    version: LIMA,
    sets: [
      {
        workspace: "lima",
        base: { kind: "copy", module: "github.com/lima-vm/lima/v2", version: `v${LIMA}` },
        builds: [{ package: "./cmd/limactl", output: "limactl" }],
        ldflags: `-X github.com/lima-vm/lima/v2/pkg/version.Version=v${LIMA}`,
      },
    ],
    // On macOS it needs cgo and the SDK for vz.
    platforms: LINUX,
    expectedSeconds: 90,
    cacheGiB: 0.75,
  },
};

export const homelabPins: readonly ToolPin[] = [bridge, libvirt, ignitionValidate, ignition, butane, limactl];
