/** sdks/libvirt is what `./homespan toolchain sdk` made of the pinned provider, and nobody's edit. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { libvirtSdk } from "../../toolchain/pins-homelab.ts";
import { checksums } from "../../toolchain/sdk.ts";

const checkout = join(import.meta.dirname, "../..");
const folder = join(checkout, "sdks/libvirt");
const json = (path: string): unknown => JSON.parse(readFileSync(join(checkout, path), "utf8"));

interface Manifest {
  readonly version: string;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly peerDependencies: Readonly<Record<string, string>>;
  readonly pulumi: {
    readonly name: string;
    readonly version: string;
    readonly parameterization: { readonly name: string; readonly version: string; readonly value: string };
  };
}

describe("sdks/libvirt", () => {
  it("is unedited", async () => {
    expect(await checksums(folder)).toBe(readFileSync(join(checkout, "sdks/libvirt.sha256"), "utf8"));
  });

  it("is of the pinned provider, through the pinned bridge", () => {
    const { version, pulumi } = json("sdks/libvirt/package.json") as Manifest;
    const { provider, providerVersion, bridgeVersion } = libvirtSdk;
    expect(version).toBe(providerVersion);
    expect(pulumi).toMatchObject({
      ...{ name: "terraform-provider", version: bridgeVersion },
      parameterization: { name: "libvirt", version: providerVersion },
    });
    const value = JSON.parse(Buffer.from(pulumi.parameterization.value, "base64").toString()) as unknown;
    expect(value).toEqual({
      remote: { url: expect.stringContaining(provider) as string, version: providerVersion },
    });
  });

  it("uses the program's own copy of Pulumi's SDK", () => {
    const { dependencies, peerDependencies } = json("sdks/libvirt/package.json") as Manifest;
    expect(dependencies).not.toHaveProperty("@pulumi/pulumi");
    expect(peerDependencies).toHaveProperty("@pulumi/pulumi");
    expect(existsSync(join(folder, "node_modules"))).toBe(false);
    const lock = json("package-lock.json") as { packages: Record<string, unknown> };
    const copies = Object.keys(lock.packages).filter((path) => path.endsWith("node_modules/@pulumi/pulumi"));
    expect(copies).toEqual(["node_modules/@pulumi/pulumi"]);
  });
});
