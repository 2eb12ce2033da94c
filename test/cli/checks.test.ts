import { describe, expect, test } from "vitest";
import { checkMachine, describeChecks } from "../../cli/doctor/checks.ts";
import { examineMachine, portsToCheck } from "../../cli/doctor/machine.ts";
import type { Facts } from "../../cli/doctor/probes.ts";
import { groupsFor } from "../../cli/needs.ts";
import type { StackFile } from "../../cli/settings.ts";
import { prepareStack } from "../../cli/state.ts";
import { healthy, makeBed, withCluster } from "./bed.ts";

const gibibyte = 2 ** 30;

const cases: readonly (readonly [string, Partial<Facts>, "notice" | "problem", RegExp, RegExp])[] = [
  ["platform", { platform: "darwin" }, "problem", /need Linux, this is darwin/, /Linux machine/],
  ["root", { root: false }, "notice", /user namespace/, /docs\/podman\.md.*sudo/],
  ["podman", { podman: undefined, debian: false }, "problem", /got none on Debian/, /podman\.io/],
  ["podman", { podman: undefined }, "problem", /although its package is installed/, /podman --version/],
  ["podman", { podman: "3.4.4" }, "problem", /4\.3 or newer, got 3\.4\.4/, /upgrade/],
  ["packages", { missingPackages: ["aardvark-dns"] }, "notice", /missing: aardvark-dns/, /will run: apt-get/],
  ["packages", { missingPackages: ["runc"], mayInstall: false }, "problem", /missing: runc/, /--yes/],
  ["tun", { tun: false }, "problem", /\/dev\/net\/tun/, /modprobe tun/],
  ["cgroup", { cgroup: "v1" }, "notice", /cgroup v1/, /runc.*fail-cgroupv1=false/],
  ["capabilities", { sysResource: false }, "notice", /CAP_SYS_RESOURCE/, /ulimits/],
  [
    "disk",
    { cacheFree: 26 * gibibyte, outstanding: { source: "modules", neededGiB: 22 } },
    "problem",
    /27 GiB.*tools to build.*got 26\.0 GiB/,
    /HOMESPAN_CACHE/,
  ],
  [
    "disk",
    { storageFree: 4 * gibibyte },
    "problem",
    /5 GiB.*got 4\.0 GiB at \/var\/lib\/containers/,
    /free some/,
  ],
  ["node", { nodeVersion: "20.20.2" }, "problem", /24 or newer here, got 20\.20\.2/, /\.\/homespan/],
  ["npm", { npmVersion: undefined }, "notice", /not on PATH/, /Node 20/],
  ["apiPort", { takenPorts: [6443, 6444] }, "problem", /`apiPort`.*6443, 6444 in use/, /--set apiPort/],
  [
    "registryPort",
    { takenPorts: [5001], registryPort: 5001 },
    "problem",
    /`registryPort`.*5001 in use/,
    /--set registryPort/,
  ],
];

describe("every check", () => {
  test.each(cases)("%s %o", (name, facts, result, message, fix) => {
    const checks = checkMachine({ ...healthy, ...facts });
    const others = checks.filter((check) => check.name !== name);
    expect(others.every((check) => check.result === "ok")).toBe(true);
    const check = checks.find((candidate) => candidate.name === name);
    expect(check?.result).toBe(result);
    expect(check?.message).toMatch(message);
    expect(check?.fix).toMatch(fix);
    expect(describeChecks(checks)).toMatch(result === "problem" ? /PROBLEM .*\n +fix: / : /notice /);
  });

  test("leaves a Podman that is not installed to the packages", () => {
    const checks = checkMachine({ ...healthy, podman: undefined, missingPackages: ["podman"] });
    const told = checks.filter(({ result }) => result !== "ok").map(({ name, result }) => [name, result]);
    expect(told).toEqual([
      ["podman", "notice"],
      ["packages", "notice"],
    ]);
  });

  test("is silent about a healthy machine", () => {
    expect(checkMachine(healthy).filter(({ result }) => result !== "ok")).toEqual([]);
  });

  test("a rehearsal needs root", () => {
    const checks = checkMachine({ ...healthy, root: false }, "machines");
    expect(checks.filter(({ result }) => result !== "ok")).toEqual([
      {
        ...{ name: "root", result: "problem" },
        message: "a rehearsal needs root: its machines are containers with systemd in them",
        fix: "sudo -E ./homespan rehearse ...",
      },
    ]);
  });

  test("of cgroups nothing is said without root: the checks of Podman without root do", () => {
    const names = checkMachine({ ...healthy, root: false, cgroup: "v1" }).map(({ name }) => name);
    expect(names).not.toContain("cgroup");
  });

  test("a machine that only drives others needs no Podman, no root and no Linux", () => {
    const facts = {
      ...healthy,
      platform: "darwin",
      root: false,
      podman: undefined,
      tun: false,
      nft: false,
    } as const;
    expect(checkMachine(facts, "none").every(({ result }) => result === "ok")).toBe(true);
    expect(checkMachine({ ...facts, nodeVersion: "20.20.2" }, "none").map(({ name }) => name)).toEqual([
      "go",
      "disk",
      "node",
      "npm",
    ]);
  });

  test("enough disk when nothing is to be built", () => {
    const facts = { ...healthy, cacheFree: 6 * gibibyte };
    expect(checkMachine(facts).every(({ result }) => result === "ok")).toBe(true);
  });
});

test("what a stack needs of this machine follows from where its nodes stand", async () => {
  const bed = withCluster(makeBed());
  const rehearsed = withCluster(makeBed({ env: { HOMESPAN_REHEARSAL: "/somewhere" } }));
  try {
    const none = { config: {} };
    expect(groupsFor(bed.context, "ci", none, "make")).toEqual(["core"]);
    expect(groupsFor(bed.context, "lightsail", none, "make")).toEqual(["cloud"]);
    expect(groupsFor(rehearsed.context, "lightsail", none, "make")).toEqual(["core"]);
    const registry = { config: { "homespan:registryPort": 5001 } };
    expect(groupsFor(bed.context, "ci", registry, "make")).toEqual(["core", "registry"]);
    expect(groupsFor(bed.context, "ci", registry, "look")).toEqual(["core"]);
    const vms = { config: { "homespan:servers": [{ vm: { host: "nas" } }] } };
    expect(groupsFor(bed.context, "homelab", vms, "make")).toEqual(["cloud", "libvirt", "vms"]);
    expect(groupsFor(bed.context, "homelab", vms, "look")).toEqual(["cloud", "libvirt"]);
    const names = async ({ context }: typeof bed, config: object): Promise<string[]> =>
      (await examineMachine(context, "pr-7", { config: { ...config } })).map(({ name }) => name);
    expect(await names(bed, { "homespan:topology": "lightsail" })).not.toContain("podman");
    expect(await names(bed, { "homespan:topology": "ci" })).toContain("podman");
    expect(await names(rehearsed, { "homespan:topology": "lightsail" })).toContain("podman");
  } finally {
    bed.remove();
    rehearsed.remove();
  }
});

test("the ports of all servers are looked at, but not those the stack has", async () => {
  const bed = withCluster(makeBed());
  try {
    const config = { config: { "homespan:servers": 3 } };
    expect(await portsToCheck(bed.context, "ci", config)).toEqual([6443, 6444, 6445]);
    await prepareStack(bed.context, { name: "ci", topology: "ci" }, []);
    expect(await portsToCheck(bed.context, "ci", config)).toEqual([6444, 6445]);
    expect(await portsToCheck(bed.context, "ci", { config: { "homespan:apiPort": "none" } })).toEqual([]);
    const withRegistry = (port: unknown): StackFile => ({ config: { "homespan:registryPort": port } });
    expect(await portsToCheck(bed.context, "ci", withRegistry(5001))).toEqual([5001]);
    expect(await portsToCheck(bed.context, "ci", withRegistry("none"))).toEqual([]);
  } finally {
    bed.remove();
  }
});
