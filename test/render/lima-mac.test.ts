/** What is said of a Mac before a virtual machine is made on it. */
import { execa } from "execa";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  judgeLimaMac,
  limaDriverFor,
  parseLimaProbe,
  type WantedOnMac,
} from "../../components/render/lima-mac.ts";

const gib = 1024 ** 3;
const imac = {
  PROBE: "1",
  OS: "Darwin",
  ARCHITECTURE: "arm64",
  OS_VERSION: "15.6.1",
  USER_ID: "501",
  USER_NAME: "admin",
  MEMORY_BYTES: String(64 * gib),
  CPUS: "10",
  LIMA_HOME: "/Users/admin/.lima",
  FREE_KIB: String(2000 * 1024 ** 2),
  LIMA: "2.2.0",
  SUDO_BOOT: "yes",
  VMNET: "ok",
};
const machine = { name: "home-agent-1", cpus: 3, memoryMiB: 8192, diskGiB: 320, sshPort: 60_101 };
const wanted: WantedOnMac = { startAt: "boot", machines: [machine], others: [] };

function said(facts: Readonly<Record<string, string>>, changes: Partial<WantedOnMac> = {}) {
  const checks = judgeLimaMac({ ...imac, ...facts }, { ...wanted, ...changes });
  return checks.filter(({ result }) => result !== "ok").map(({ name, result }) => `${name} ${result}`);
}

test("a Mac with room has nothing against it", () => {
  expect(said({})).toEqual([]);
});

describe("the driver", () => {
  test.each([
    ["Darwin", "13.4.1", "qemu"],
    ["Darwin", "13.5", "vz"],
    ["Darwin", "13.10", "vz"],
    ["Darwin", "26.0", "vz"],
    ["Darwin", "12.7.6", "qemu"],
    ["Linux", "6.8.0-31-generic", "qemu"],
  ])("of %s %s is %s", (OS, OS_VERSION, driver) => {
    expect(limaDriverFor({ OS, OS_VERSION })).toBe(driver);
  });

  test.each([
    ["vz of an Intel Mac below 15.5", { ARCHITECTURE: "x86_64", OS_VERSION: "14.7" }, {}, ["driver notice"]],
    ["vz below 13.5, as asked for", { OS_VERSION: "13.2" }, { driver: "vz" }, ["driver problem"]],
    ["vz on Linux", { OS: "Linux", LINGER: "yes" }, { driver: "vz", startAt: "login" }, ["driver problem"]],
    ["qemu that is not there", {}, { driver: "qemu" }, ["driver problem"]],
    [
      "qemu without KVM",
      { OS: "Linux", QEMU: "/usr/bin/qemu-system-x86_64", KVM: "no", LINGER: "yes" },
      { startAt: "login" },
      ["driver notice"],
    ],
  ] as const)("%s", (_name, facts, changes, expected) => {
    expect(said(facts, changes)).toEqual(expected);
  });
});

test.each([
  ["root", { USER_ID: "0" }, {}, ["user problem"]],
  ["an Intel shell on an Apple processor", { TRANSLATED: "1" }, {}, ["system problem"]],
  ["an older Lima", { LIMA: "2.1.4" }, {}, ["lima problem"]],
  ["a Lima between releases", { LIMA: "HEAD-183a60d" }, {}, []],
  ["boot without sudo", { SUDO_BOOT: "no" }, {}, ["start problem"]],
  ["login needs no sudo", { SUDO_BOOT: "no" }, { startAt: "login" }, []],
  ["nothing that starts by itself", {}, { startAt: "off" }, ["start notice"]],
  ["socket_vmnet of the user's", { VMNET: "is not owned by root" }, { vmnet: "shared" }, ["network problem"]],
  ["socket_vmnet that nobody asked for", { VMNET: "is not owned by root" }, {}, []],
  ["more memory than there is", { MEMORY_BYTES: String(8 * gib - 1) }, {}, ["memory problem"]],
  ["exactly the memory there is", { MEMORY_BYTES: String(8 * gib) }, {}, ["memory notice"]],
  ["disks that may outgrow the Mac's", { FREE_KIB: String(200 * 1024 ** 2) }, {}, ["disk notice"]],
  ["a socket's path that is too long", { LIMA_HOME: `/Users/${"a".repeat(70)}/.lima` }, {}, ["name problem"]],
] as const)("%s", (_name, facts, changes, expected) => {
  expect(said(facts, changes)).toEqual(expected);
});

test.each([
  ["Darwin", "", "brew install lima"],
  ["Darwin", "2.1.4", "brew upgrade lima"],
  ["Linux", "", "install Lima by its release, see docs/lima.md"],
  ["Linux", "2.1.4", "upgrade Lima by its release, see docs/lima.md"],
])("on %s, with Lima '%s', the fix is: %s", (OS, LIMA, fix) => {
  const checks = judgeLimaMac({ ...imac, OS, LIMA }, wanted);
  expect(checks.find(({ name }) => name === "lima")).toMatchObject({ result: "problem", fix });
});

/** As sudo with an entry that takes no password for something else: it lists everything, and runs what FREE names, or TYPED a moment ago. */
const sudo = `#!/bin/sh
typed=\${TYPED:-}
while :; do
  case $1 in
    -l) exit 0 ;;
    -k) typed= ;;
    -n) ;;
    *) break ;;
  esac
  shift
done
case " $FREE $typed " in
  *" $1 "*) exec "$@" ;;
esac
echo "sudo: a password is required" >&2
exit 1
`;

describe("the probe", () => {
  const script = join(import.meta.dirname, "../../provider/effects/lima/probe.sh");

  test("is refused when it is something else", () => {
    expect(() => parseLimaProbe("zsh: command not found: sw_vers\n")).toThrow(/must begin with PROBE=1/);
  });

  test("of this machine is read", async () => {
    const { stdout } = await execa("/bin/sh", [script, "login"], {
      env: { PATH: "/usr/bin:/bin", HOME: import.meta.dirname },
      extendEnv: false,
    });
    const facts = parseLimaProbe(stdout);
    // awk's whole numbers end at 2 GiB.
    expect(Number(facts["MEMORY_BYTES"]) / totalmem()).toBeCloseTo(1, 1);
    expect(Number(facts["CPUS"])).toBeGreaterThan(0);
    expect(Number(facts["FREE_KIB"])).toBeGreaterThan(0);
    expect(facts["LIMA"]).toBe("");
  });

  test.each([
    ["yes", "with an entry for all three", { FREE: "launchctl install rm" }],
    ["no", "with an entry for something else alone", { FREE: "socket_vmnet" }],
    ["no", "with an entry that lacks one", { FREE: "launchctl install" }],
    ["no", "with a password that was typed a moment ago", { FREE: "", TYPED: "launchctl install rm" }],
  ])("says %s to a start at boot, %s", async (answer, _name, entries) => {
    const folder = mkdtempSync(join(tmpdir(), "homespan-probe-"));
    try {
      const [bin, scratch] = [join(folder, "bin"), join(folder, "scratch")];
      for (const path of [bin, scratch]) mkdirSync(path);
      for (const [name, text] of Object.entries({ sudo, launchctl: "#!/bin/sh\n" }))
        writeFileSync(join(bin, name), text, { mode: 0o755 });
      const { stdout } = await execa("/bin/sh", [script, "boot"], {
        env: { PATH: `${bin}:/usr/bin:/bin`, HOME: folder, TMPDIR: scratch, ...entries },
        extendEnv: false,
      });
      expect(parseLimaProbe(stdout)["SUDO_BOOT"]).toBe(answer);
      expect(readdirSync(scratch)).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
