import { describe, expect, test } from "vitest";
import { describeMachineProblems, type MachineCheck } from "../../components/render/machine-check.ts";
import {
  isThisNode,
  judgeMachine,
  parseMachineProbe,
  sshPortsOf,
} from "../../components/render/machine-probe.ts";

const now = 1_795_300_000_000;
const wanted = { clusterName: "prod", nodeName: "pi", now };

/** What the probe prints on a Raspberry Pi 4 fresh from its imager. */
const fresh = `PROBE=1
ROOT=yes
SYSTEMD=yes
OS=Debian GNU/Linux 12 (bookworm)
APT=yes
ARCHITECTURE=aarch64
KERNEL=6.12.25+rpt-rpi-v8
MACHINE_ID=34e37c21e9a2c7bc
MEMORY_MIB=3790
SWAP_MIB=0
DISK_MIB=52000
CLOCK=1795300002
SYNCHRONISED=yes
CGROUP=v2
MISSING_CONTROLLERS=
MISSING_MODULES=
TUN=yes
MISSING_TOOLS=
MISSING_PACKAGES=
FOREIGN=
TAKEN_PORTS=
SSH_PORTS=22 2222
FIREWALL=
DATA=absent
DATA_HOLDS=
INSTALLED=no
OWNER_CLUSTER=
OWNER_NODE=
OWNER_MACHINE=
OWNER_ID=
`;

const facts = (changes: Readonly<Record<string, string>> = {}): Record<string, string> => ({
  ...parseMachineProbe(fresh),
  ...changes,
});
const judge = (changes: Readonly<Record<string, string>>): MachineCheck[] =>
  judgeMachine(facts(changes), wanted);
const ours = { DATA: "ours", INSTALLED: "yes", OWNER_CLUSTER: "prod", OWNER_NODE: "pi", OWNER_ID: "f00d" };

test("a fresh machine may join, with nothing to say about it", () => {
  expect(judge({}).map(({ result }) => result)).toSatisfy((results: string[]) =>
    results.every((it) => it === "ok"),
  );
  expect(sshPortsOf(facts())).toEqual([22, 2222]);
});

test.each<[string, Record<string, string>, RegExp]>([
  ["root", { ROOT: "no" }, /do not run as root/],
  ["systemd", { SYSTEMD: "no" }, /systemd does not run this machine/],
  ["system", { APT: "no", OS: "Alpine Linux v3.22" }, /Alpine Linux v3\.22 has no apt-get/],
  ["architecture", { ARCHITECTURE: "armv7l" }, /this machine is armv7l \(fix: install the 64 bit system/],
  ["tools", { MISSING_TOOLS: "flock ss" }, /flock, ss must be installed \(fix: sudo apt-get install/],
  ["machine-id", { MACHINE_ID: "" }, /systemd-machine-id-setup/],
  ["memory", { MEMORY_MIB: "430" }, /800 MiB of memory are needed, this machine has 430/],
  ["disk", { DISK_MIB: "1024" }, /3 GiB must be free where \/data is, this machine has 1\.0/],
  ["cgroup", { MISSING_CONTROLLERS: "memory" }, /cgroup_memory=1 cgroup_enable=memory .*cmdline\.txt/],
  ["kernel", { MISSING_MODULES: "vxlan" }, /lacks the modules vxlan.*linux-modules-extra-raspi/],
  ["kernel", { TUN: "no" }, /lacks the modules tun/],
  ["clock", { CLOCK: "1795296400" }, /its clock is 3600 s behind/],
  ["clock", { CLOCK: "1795300100" }, /its clock is 100 s ahead/],
  ["clock", { CLOCK: "" }, /its clock is/],
  [
    "others",
    { FOREIGN: "k3s.service /var/lib/rancher" },
    /k3s\.service, \/var\/lib\/rancher.*k3s-uninstall\.sh/,
  ],
  ["others", { INSTALLED: "yes" }, /Homespan is on it without a node's data/],
  ["ports", { TAKEN_PORTS: "10250/tcp" }, /in use: 10250\/tcp \(fix: who has them: sudo ss -lntup\)/],
  ["data", { DATA: "used", DATA_HOLDS: "photos videos" }, /\/data must be free .* holds photos videos/],
  ["data", { DATA: "file" }, /\/data must be free/],
  ["data", { ...ours, OWNER_NODE: "pi-2" }, /it is node pi-2 of cluster prod already/],
  ["data", { ...ours, OWNER_CLUSTER: "other" }, /it is node pi of cluster other already/],
])("%s keeps it out: %o", (name, changes, said) => {
  const problems = judge(changes).filter(({ result }) => result === "problem");
  expect(problems.map((it) => it.name)).toEqual([name]);
  expect(describeMachineProblems(problems)).toEqual([expect.stringMatching(said)]);
});

test.each<[string, Record<string, string>, RegExp]>([
  [
    "tools",
    { MISSING_PACKAGES: "nft update-ca-certificates" },
    /will be installed: nftables, ca-certificates/,
  ],
  ["cgroup", { CGROUP: "v1" }, /fail-cgroupv1=false/],
  ["clock", { SYNCHRONISED: "no" }, /nothing keeps it so/],
  ["swap", { SWAP_MIB: "512" }, /512 MiB of swap/],
  ["firewall", { FIREWALL: "ufw nftables" }, /ufw and nftables is on, and stays as it is/],
])("%s is worth a notice: %o", (name, changes, said) => {
  const unusual = judge(changes).filter(({ result }) => result !== "ok");
  expect(unusual).toMatchObject([{ name, result: "notice" }]);
  expect(unusual[0]?.message).toMatch(said);
});

test("a clock that nobody can say anything about is right when the time is", () => {
  expect(judge({ SYNCHRONISED: "unknown" }).find(({ name }) => name === "clock")?.result).toBe("ok");
});

test("what runs on a machine that joined already is the node's own", () => {
  const running = { ...ours, FOREIGN: "k3s.service", TAKEN_PORTS: "10250/tcp 8472/udp" };
  expect(describeMachineProblems(judge(running))).toEqual([]);
  expect(isThisNode(facts(running), wanted)).toBe(true);
  expect(isThisNode(facts({ ...running, OWNER_NODE: "pi-2" }), wanted)).toBe(false);
});

test("all problems are told at once", () => {
  const said = describeMachineProblems(judge({ TUN: "no", MEMORY_MIB: "1", DATA: "used", DATA_HOLDS: "a" }));
  expect(said.map((line) => line.split(":")[0])).toEqual(["memory", "kernel", "data"]);
});

describe("what a probe printed", () => {
  test("is read line by line, whatever a login shell says before", () => {
    expect(parseMachineProbe(`Welcome!\n${fresh}`)["ARCHITECTURE"]).toBe("aarch64");
  });
  test("that is nothing of the kind is an error", () => {
    expect(() => parseMachineProbe("This account is currently not available.\n")).toThrow(
      'a machine\'s probe must begin with PROBE=1, got "This account is currently not available.\\n"',
    );
  });
});
