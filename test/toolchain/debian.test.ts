import { utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  ensurePackages,
  installCommand,
  packageNames,
  parseDpkg,
  rememberInstalled,
} from "../../toolchain/debian.ts";
import type { PackageGroup, PackageTools } from "../../toolchain/debian.ts";
import { machine, recorder } from "./support/fixtures.ts";
import { temporaryFolder } from "./support/folders.ts";

interface Fake extends PackageTools {
  readonly ran: string[];
}

function fake(installed: readonly string[], over: Partial<PackageTools> = {}): Fake {
  const ran: string[] = [];
  return {
    ran,
    isDebian: () => true,
    hasCommand: () => true,
    installed: (names) => Promise.resolve(names.filter((name) => installed.includes(name))),
    run: (command, args) => {
      ran.push([command, ...args].join(" "));
      return Promise.resolve();
    },
    ...over,
  };
}

const all = packageNames(["core"]);
const without = (...names: string[]): string[] => all.filter((name) => !names.includes(name));
const request = (yes: boolean, root = true) => ({
  groups: ["core"] as const,
  machine: { ...machine, root },
  yes,
  reporter: recorder(),
  cache: "/nowhere",
});

describe("ensurePackages", () => {
  it("does nothing when all are there", async () => {
    const tools = fake(all);
    await ensurePackages(request(false), tools);
    expect(tools.ran).toEqual([]);
  });

  it("installs what is missing with --yes, after an update", async () => {
    const tools = fake(without("aardvark-dns", "runc"));
    await ensurePackages(request(true), tools);
    expect(tools.ran).toEqual([
      "env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 update",
      "env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 install -y --no-install-recommends runc aardvark-dns",
    ]);
  });

  it("uses sudo without root, where a user's containers need more", async () => {
    const tools = fake(without("runc"));
    await ensurePackages(request(true, false), tools);
    expect(tools.ran[0]).toMatch(/^sudo env DEBIAN_FRONTEND=noninteractive apt-get .* update$/);
    expect(tools.ran[1]).toMatch(/ runc uidmap slirp4netns dbus-user-session$/);
    expect(packageNames(["test"], false)).not.toContain("uidmap");
  });

  it("prints the exact command when nobody can be asked", async () => {
    const tools = fake(without("podman"));
    await expect(ensurePackages(request(false), tools)).rejects.toThrow(
      "Debian packages are missing: podman (runs the nodes); run: apt-get update && apt-get install -y --no-install-recommends podman (or give --yes)",
    );
    expect(tools.ran).toEqual([]);
  });

  it("asks on a terminal, and takes a no", async () => {
    const questions: string[] = [];
    const answer = (agreed: boolean) => (question: string) => {
      questions.push(question);
      return Promise.resolve(agreed);
    };
    await expect(
      ensurePackages(request(false), fake(without("podman"), { ask: answer(false) })),
    ).rejects.toThrow(/run: apt-get/);
    const tools = fake(without("podman"), { ask: answer(true) });
    await ensurePackages(request(false), tools);
    expect(tools.ran).toHaveLength(2);
    expect(questions[0]).toContain("apt-get install -y --no-install-recommends podman");
  });

  it("says what root would run when there is no sudo", async () => {
    const tools = fake(without("podman"), { hasCommand: () => false });
    await expect(ensurePackages(request(true, false), tools)).rejects.toThrow(
      /; as root run: apt-get update/,
    );
  });

  it("repeats the command when apt fails", async () => {
    const tools = fake(without("podman"), { run: () => Promise.reject(new Error("E: no such package")) });
    await expect(ensurePackages(request(true), tools)).rejects.toThrow(
      /E: no such package; run it yourself: apt-get update && apt-get install .* podman$/,
    );
  });

  describe("elsewhere than on Debian", () => {
    const linux = { ...request(true), groups: ["core"] as readonly PackageGroup[] };
    const mac = { ...linux, machine: { ...machine, platform: "darwin" as const } };
    const having = (...commands: string[]) =>
      fake([], { isDebian: () => false, hasCommand: (name) => commands.includes(name) });

    it("wants podman for nodes here and names how to get it", async () => {
      await expect(ensurePackages(linux, having())).rejects.toThrow(
        /^`podman` must be .*distribution's packages of: podman runc /,
      );
      await expect(ensurePackages(mac, having())).rejects.toThrow(
        "brew install podman && podman machine init --rootful && podman machine start",
      );
      await ensurePackages(mac, having("podman"));
    });

    it.each([linux, mac])("wants nothing for nodes elsewhere on $machine.platform", async (asked) => {
      await ensurePackages({ ...asked, groups: ["cloud", "libvirt"] }, having());
      await ensurePackages({ ...asked, groups: ["build"] }, having());
    });

    it("wants the programs that make virtual machines, and names all that are missing", async () => {
      const vms = { groups: ["cloud", "libvirt", "vms"] as const };
      await expect(ensurePackages({ ...mac, ...vms }, having("xsltproc"))).rejects.toThrow(
        /^`virsh`, `gpgv` must be installed, got none on PATH; install with: brew install libvirt gnupg$/,
      );
      await expect(ensurePackages({ ...linux, ...vms }, having("gpgv"))).rejects.toThrow(
        /^`virsh`, `xsltproc` .*; install your distribution's packages of: libvirt-clients xsltproc$/,
      );
      await ensurePackages({ ...mac, ...vms }, having("virsh", "xsltproc", "gpgv"));
    });

    it("says of both at once where both are wanted", async () => {
      const both = { groups: ["core", "libvirt", "vms"] as const };
      await expect(ensurePackages({ ...mac, ...both }, having("gpgv", "xsltproc"))).rejects.toThrow(
        /^`podman`, `virsh` .* brew install podman libvirt && podman machine init /,
      );
    });
  });
});

describe("rememberInstalled", () => {
  it("asks again only when dpkg's database changed or something was missing", async () => {
    const cache = temporaryFolder();
    const database = join(cache, "status");
    writeFileSync(database, "");
    let asked = 0;
    const look = (names: readonly string[], there: readonly string[]) =>
      rememberInstalled(
        names,
        cache,
        () => {
          asked += 1;
          return Promise.resolve(there);
        },
        database,
      );
    expect(await look(["a", "b"], ["a"])).toEqual(["a"]);
    expect(await look(["a", "b"], ["a", "b"])).toEqual(["a", "b"]);
    expect(await look(["b"], [])).toEqual(["b"]);
    expect(asked).toBe(2);
    utimesSync(database, 1, 1);
    expect(await look(["b"], [])).toEqual([]);
  });
});

describe("parseDpkg", () => {
  it("counts only what is installed and configured", () => {
    expect(parseDpkg("ii  podman\nrc  runc\nun  conmon\nhi  zstd\niU  gcc\n")).toEqual(["podman", "zstd"]);
  });
});

describe("installCommand", () => {
  it("is what a user would type", () => {
    expect(installCommand(["a", "b"], false)).toBe(
      "sudo apt-get update && sudo apt-get install -y --no-install-recommends a b",
    );
  });
});
