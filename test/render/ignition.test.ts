import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fedoraCoreosPlaces, ignitionK3s } from "../../components/render/fedora-coreos.ts";
import { flatcarIgnition, flatcarPlaces } from "../../components/render/flatcar.ts";
import { pathBelowData, machinePathsBelow, stewardPaths } from "../../components/render/host-paths.ts";
import { placedUnit } from "../../components/render/immutable-machine.ts";
import { type IgnitionConfig, renderIgnition } from "../../components/render/ignition.ts";
import { bakedFiles, bootFiles } from "../../components/render/machine-files.ts";
import { machineArtifacts } from "../../stacks/artifacts.ts";
import { sourceText } from "../boot/machine.ts";
import { ignitionConfig } from "./arbitrary-ignition.ts";
import { contentOf, fileAt, flatcar, flatcarAlone, ignitionGoldens, parse } from "./samples-ignition.ts";

const { flatcar: plain = "", "flatcar-alone": alone = "", "fedora-coreos": coreos = "" } = ignitionGoldens;

test.each(Object.entries(ignitionGoldens))("golden %s", async (name, text) => {
  await expect(text).toMatchFileSnapshot(`golden/ignition/${name}.ign`);
});

describe("every rendered configuration", () => {
  test.each(Object.entries(ignitionGoldens))("%s wipes nothing", (_name, text) => {
    const { storage, ignition } = parse(text);
    expect(ignition.version).toBe("3.4.0");
    expect(text).not.toMatch(/"wipe\w+": true/);
    for (const disk of storage?.disks ?? []) expect(disk.wipeTable).toBe(false);
    for (const filesystem of storage?.filesystems ?? []) expect(filesystem["wipeFilesystem"]).toBe(false);
  });

  test.each(Object.entries(ignitionGoldens))("%s lets nobody in by password", (_name, text) => {
    expect(text).not.toContain("passwordHash");
    const sshd = fileAt(text, "/etc/ssh/sshd_config.d/10-homespan.conf");
    expect(contentOf(sshd!)).toContain("PasswordAuthentication no\n");
    expect(parse(text).passwd?.users.map(({ name }) => name)).toEqual(["core"]);
  });

  test.each(Object.entries(ignitionGoldens))("%s holds nothing of the join layer", (_name, text) => {
    const paths = parse(text).storage?.files?.map(({ path }) => path) ?? [];
    expect(
      paths.filter((path) => /rancher|config\.yaml|join\.conf|token/.test(path.replace(/\.repo$/, ""))),
    ).toEqual(text === coreos ? ["/etc/yum.repos.d/rancher-k3s-common.repo"] : []);
  });

  test.each(Object.entries(ignitionGoldens))("%s is the same whenever it is rendered", (_name, text) => {
    expect(JSON.stringify(JSON.parse(text), undefined, 2)).toBe(text.trimEnd());
  });
});

test("no secret but the key for one login, once, in a file of root's", () => {
  expect(plain).not.toContain("authkey");
  const { authKey = "" } = flatcarAlone.node!;
  expect(alone.split(authKey)).toHaveLength(2);
  const file = fileAt(alone, "/etc/homespan/seed/authkey");
  expect(file?.mode).toBe(0o600);
  expect(contentOf(file!)).toBe(`${authKey}\n`);
});

test("boot files are those of every carrier byte for byte, whatever brings them", () => {
  const carried = (text: string, library: string, sources: typeof bootFiles): void => {
    for (const { source, path, mode } of sources) {
      const file = fileAt(text, `${library}/${path}`);
      expect(contentOf(file!)).toBe(sourceText(source));
      expect(file?.mode).toBe(path === "boot-files" ? 0o755 : mode);
    }
  };
  carried(plain, "/opt/homespan", bakedFiles);
  expect(fileAt(plain, "/opt/homespan/boot/sequence.sh")).toBeUndefined();
  carried(alone, "/opt/homespan", [...bakedFiles, ...bootFiles]);
  carried(coreos, "/usr/local/libexec/homespan", [...bakedFiles, ...bootFiles]);
});

test("nothing is written where Flatcar cannot be written", () => {
  for (const text of [plain, alone]) {
    const { files = [], links = [] } = parse(text).storage ?? {};
    for (const { path } of [...files, ...links]) expect(path).toMatch(/^\/(etc|opt)\//);
  }
  // / of Fedora CoreOS neither; what it calls /usr/local is in /var.
  const { files = [], links = [] } = parse(coreos).storage ?? {};
  for (const { path } of [...files, ...links]) expect(path).toMatch(/^\/(etc|usr\/local)\//);
  expect(links).toContainEqual({
    path: "/usr/local/libexec/homespan/data",
    target: "/var/lib/homespan/data",
    overwrite: true,
  });
});

test("programs are downloaded to where this system has room for them", () => {
  const artifacts = (text: string): string => contentOf(fileAt(text, "/etc/homespan/artifacts.conf")!);
  expect(artifacts(alone).match(/^\w+_PATH=.*$/gm)).toEqual([
    "K3S_PATH=/opt/bin/k3s",
    "TAILSCALE_PATH=/opt/bin",
  ]);
  expect(artifacts(coreos)).toContain("TAILSCALE_PATH=/usr/local/bin\n");
});

describe("units", () => {
  const units = (text: string) => parse(text).systemd?.units ?? [];
  const enabled = (text: string): string[] =>
    units(text).flatMap((it) => (it.enabled === true ? [it.name] : []));

  test("the firewall is up before anyone can come, the sequence starts by itself where it is there", () => {
    expect(enabled(plain)).toEqual(["homespan-firewall.service"]);
    expect(enabled(alone)).toEqual(["homespan-firewall.service", "homespan-boot.service"]);
    expect(enabled(coreos)).toEqual([
      "homespan-firewall.service",
      "homespan-boot.service",
      "var.mount",
      "homespan-host-keys.service",
      "homespan-layering.service",
    ]);
  });

  test("k3s and tailscaled are started by the sequence alone", () => {
    for (const text of [alone, coreos]) {
      for (const name of ["k3s.service", "tailscaled.service", "homespan-boot.path"]) {
        expect(units(text).find((it) => it.name === name)?.contents).not.toContain("[Install]");
      }
    }
  });

  test("they run what is there: no unit names a place this system does not have", () => {
    for (const { contents = "" } of units(alone)) expect(contents).not.toContain("/usr/lib/homespan");
    expect(units(alone).find(({ name }) => name === "k3s.service")?.contents).toContain(
      "\nExecStart=/opt/homespan/machine/k3s\n",
    );
    const coreosText = units(coreos).map(({ contents = "" }) => contents);
    for (const contents of coreosText) expect(contents).not.toMatch(/[ =-]\/data\//);
    expect(coreosText.join("")).toContain("\nPathChanged=/var/lib/homespan/data/join.conf\n");
  });

  test("where the usual places can be had, they are as they are", () => {
    const usual = { library: "/usr/lib/homespan", data: "/data" };
    for (const { source, path } of bootFiles) {
      if (path.startsWith("units/")) expect(placedUnit(sourceText(source), usual)).toBe(sourceText(source));
    }
  });

  test("Flatcar does not update itself unless it is asked to", () => {
    const masked = (text: string): string[] =>
      units(text).flatMap((it) => (it.mask === true ? [it.name] : []));
    expect(masked(plain)).toEqual(["locksmithd.service", "update-engine.service"]);
    expect(masked(renderIgnition(flatcarIgnition({ ...flatcar, osUpdates: "system" })))).toEqual([]);
  });
});

test("Flatcar's data disk is formatted once, and found by what QEMU calls it", () => {
  expect(parse(plain).storage?.filesystems).toEqual([
    {
      device: "/dev/disk/by-id/virtio-homespan-data",
      format: "ext4",
      label: "homespan-data",
      wipeFilesystem: false,
      options: ["-m", "0"],
    },
  ]);
  expect(contentOf(fileAt(plain, "/etc/homespan/machine.conf")!)).toBe("DATA_DISK=wanted\n");
  const without = renderIgnition(flatcarIgnition({ ...flatcar, dataDisk: "none" }));
  expect(parse(without).storage?.filesystems).toBeUndefined();
  expect(contentOf(fileAt(without, "/etc/homespan/machine.conf")!)).toBe("DATA_DISK=none\n");
});

describe("Fedora CoreOS", () => {
  test("keeps /var over an installation: the table, the partition and what is in it", () => {
    expect(parse(coreos).storage?.disks).toEqual([
      {
        device: "/dev/disk/by-id/coreos-boot-disk",
        wipeTable: false,
        partitions: [
          { number: 4, label: "root", sizeMiB: 8192, wipePartitionEntry: false, resize: true },
          { number: 5, label: "var", wipePartitionEntry: false },
        ],
      },
    ]);
    expect(parse(coreos).storage?.filesystems).toEqual([
      {
        device: "/dev/disk/by-partlabel/var",
        format: "xfs",
        label: "var",
        path: "/var",
        wipeFilesystem: false,
      },
    ]);
  });

  test("puts its own files and k3s in the place of what an earlier installation left", () => {
    const files = parse(coreos).storage?.files ?? [];
    expect(files.filter(({ overwrite }) => overwrite !== true)).toEqual([]);
    expect(fileAt(coreos, "/usr/local/bin/k3s")).toEqual({
      path: "/usr/local/bin/k3s",
      mode: 0o755,
      overwrite: true,
      contents: {
        source: "https://github.com/k3s-io/k3s/releases/download/v1.36.5%2Bk3s1/k3s",
        verification: { hash: `sha256-${"1".repeat(64)}` },
      },
    });
  });

  test("starts twice: the sequence waits for the policy that the first start layers", () => {
    const units = parse(coreos).systemd?.units ?? [];
    const policy = "/usr/share/selinux/packages/k3s.pp";
    const sequence = units.find(({ name }) => name === "homespan-boot.service");
    expect(sequence?.dropins).toEqual([
      { name: "10-policy.conf", contents: `[Unit]\nConditionPathExists=${policy}\n` },
    ]);
    const layering = units.find(({ name }) => name === "homespan-layering.service")?.contents ?? "";
    expect(layering).toContain(`\nConditionPathExists=!${policy}\n`);
    const steps = [...layering.matchAll(/^ExecStart=(.*)$/gm)].map(([, step]) => step);
    expect(steps).toEqual([
      expect.stringMatching(/rpm-ostree install .*k3s-selinux$/),
      expect.stringMatching(/reboot$/),
    ]);
  });

  test("keeps its host keys over an installation, and has them before sshd starts", () => {
    const program = "/usr/local/libexec/homespan/host-keys";
    const unit = parse(coreos).systemd?.units.find(({ name }) => name === "homespan-host-keys.service");
    expect(unit?.contents).toContain("\nAfter=sshd-keygen.target\nBefore=sshd.service\n");
    expect(unit?.contents).toContain(`\nExecStart=${program}\n`);
    // sshd starts also where this fails.
    expect(unit?.contents).not.toContain("RequiredBy");
    const file = fileAt(coreos, program);
    expect(file?.mode).toBe(0o755);
    expect(contentOf(file!)).toBe(sourceText("boot/machine/installed/host-keys"));
  });

  test("k3s is one download by its sum, and none where no sum is known", () => {
    const artifacts = machineArtifacts("v1.35.1+k3s1", undefined);
    const { url, sha256 } = ignitionK3s(artifacts);
    expect(url).toBe("https://github.com/k3s-io/k3s/releases/download/v1.35.1%2Bk3s1/k3s");
    expect(sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(() => ignitionK3s(machineArtifacts("v1.0.0+k3s1", undefined))).toThrow(
      "`artifacts` must have k3s for amd64 with its sum, got none",
    );
  });

  test("k3s reads the join layer's files where they are", () => {
    const paths = machinePathsBelow(fedoraCoreosPlaces.data);
    expect(paths.secretsSeen).toBe("/var/lib/homespan/data/secrets");
    expect(pathBelowData(paths, "/etc/rancher/k3s/config.yaml")).toBe(
      pathBelowData(stewardPaths, "/etc/rancher/k3s/config.yaml"),
    );
    expect(machinePathsBelow(flatcarPlaces.data).secretsSeen).toBe("/data/secrets");
  });
});

test("files, links and units arrive as they were given, whatever they hold", () => {
  fc.assert(
    fc.property(ignitionConfig, (config) => {
      const { storage, systemd, passwd } = parse(renderIgnition(config));
      const given = (config.files ?? []).map(({ path, mode, contents }) => [path, mode, contents]);
      const found = (storage?.files ?? []).map((file) => [
        file.path,
        file.mode,
        file.contents.verification === undefined
          ? contentOf(file)
          : { url: file.contents.source, sha256: file.contents.verification.hash.replace("sha256-", "") },
      ]);
      expect(found).toEqual(given);
      expect((storage?.links ?? []).map(({ path, target }) => [path, target])).toEqual(
        (config.links ?? []).map(({ path, target }) => [path, target]),
      );
      expect((systemd?.units ?? []).map(({ name, contents }) => [name, contents])).toEqual(
        (config.units ?? []).map(({ name, contents }) => [name, contents]),
      );
      expect((passwd?.users ?? []).map(({ name }) => name)).toEqual(
        (config.users ?? []).map(({ name }) => name),
      );
    }),
    { numRuns: 50 },
  );
});

describe("what Ignition would refuse on the machine is refused here", () => {
  const text = { mode: 0o644, contents: "x" };
  const cases: readonly (readonly [string, IgnitionConfig, RegExp])[] = [
    [
      "a relative path",
      { files: [{ path: "etc/x", ...text }] },
      /`files\[0\]\.path` must be an absolute path/,
    ],
    ["a path upwards", { files: [{ path: "/etc/../x", ...text }] }, /`files\[0\]\.path` must be an absolute/],
    ["a double slash", { links: [{ path: "/a//b", target: "c" }] }, /`links\[0\]\.path` must be an absolute/],
    ["a slash at the end", { directories: [{ path: "/a/", mode: 0o755 }] }, /`directories\[0\]\.path` must/],
    [
      "two of one path",
      { files: [{ path: "/a", ...text }], links: [{ path: "/a", target: "b" }] },
      /`path` must be unique, got "\/a"/,
    ],
    [
      "a file below a file",
      {
        files: [
          { path: "/a", ...text },
          { path: "/a/b", ...text },
        ],
      },
      /must not lie below a file or a link, got "\/a\/b"/,
    ],
    [
      "a mode of a typing error",
      { files: [{ path: "/a", mode: 99_999, contents: "" }] },
      /`files\[0\]\.mode` must be 0 to 0o7777, got 99999/,
    ],
    [
      "half a character",
      { files: [{ path: "/a", mode: 0o644, contents: "\ud800" }] },
      /`files\[0\]\.contents` must be text/,
    ],
    [
      "another kind of URL",
      { files: [{ path: "/a", mode: 0, contents: { url: "file:///etc/shadow", sha256: "0".repeat(64) } }] },
      /`files\[0\]\.contents\.url` must be http/,
    ],
    [
      "a sum that is none",
      { files: [{ path: "/a", mode: 0, contents: { url: "https://a/b", sha256: "A" } }] },
      /`files\[0\]\.contents\.sha256` must be 64/,
    ],
    ["a unit without suffix", { units: [{ name: "k3s" }] }, /`units\[0\]\.name` must be a unit's name/],
    [
      "a masked unit that is enabled",
      { units: [{ name: "a.service", mask: true, enabled: true }] },
      /`units\[0\]\.mask` must stand alone/,
    ],
    [
      "a unit enabled into nothing",
      { units: [{ name: "a.service", enabled: true, contents: "[Unit]\n" }] },
      /must have an \[Install\] section/,
    ],
    [
      "a drop-in systemd does not read",
      { units: [{ name: "a.service", dropIns: { x: "" } }] },
      /`units\[0\]\.dropIns` must be named \*\.conf/,
    ],
    [
      "a user's name",
      { users: [{ name: "Core", sshAuthorizedKeys: [] }] },
      /`users\[0\]\.name` must be a user's name, got "Core"/,
    ],
    [
      "a key of two lines",
      { users: [{ name: "core", sshAuthorizedKeys: ["a\nb"] }] },
      /`users\[0\]\.sshAuthorizedKeys\[0\]` must be one line/,
    ],
    [
      "two file systems on one device",
      {
        filesystems: [
          { device: "/dev/a", format: "ext4", label: "a" },
          { device: "/dev/a", format: "ext4", label: "b" },
        ],
      },
      /`filesystems\.device` must be unique/,
    ],
    [
      "a label that does not fit",
      { filesystems: [{ device: "/dev/a", format: "xfs", label: "homespan-data" }] },
      /`filesystems\[0\]\.label` must be 1 to 12 characters for xfs/,
    ],
    [
      "a partition's label",
      { disks: [{ device: "/dev/a", partitions: [{ number: 1, label: "a:b", sizeMiB: 1 }] }] },
      /partitions\[0\]\.label` must/,
    ],
    [
      "two that take the rest",
      {
        disks: [
          {
            device: "/dev/a",
            partitions: [
              { number: 1, label: "a" },
              { number: 2, label: "b" },
            ],
          },
        ],
      },
      /at most one without a size/,
    ],
    [
      "half a MiB",
      { disks: [{ device: "/dev/a", partitions: [{ number: 1, label: "a", sizeMiB: 0.5 }] }] },
      /`disks\[0\]\.partitions\[0\]\.sizeMiB` must be a whole number/,
    ],
  ];

  test.each(cases)("%s", (_name, config, message) => {
    expect(() => renderIgnition(config)).toThrow(message);
  });

  test("all at once", () => {
    const config = { files: [{ path: "a", mode: -1, contents: "" }], units: [{ name: "b" }] };
    expect(() => renderIgnition(config)).toThrow(/path` must.*\n.*mode` must.*\n.*name` must/);
  });
});
