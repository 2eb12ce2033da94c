/** Doctor's look at the hosts of virtual machines and at the Mac. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { examineMac } from "../../cli/doctor/mac.ts";
import { type WantedOnHost, examineVmHost, wantedOnHosts } from "../../cli/doctor/vm-hosts.ts";
import type { Libvirt } from "../../provider/effects/libvirt.ts";
import { type Bed, makeBed } from "./bed.ts";

const bridge = { kind: "bridge", name: "br0" } as const;
const nas = { uri: "qemu+ssh://homespan@nas.local/system", site: "home", network: bridge };

describe("hosts of virtual machines", () => {
  const config = {
    config: {
      "homespan:libvirtHosts": { nas, spare: { uri: "qemu:///system", site: "home" }, wrong: 7 },
      "homespan:servers": [{ vm: { host: "nas", vcpus: 2, memoryMiB: 4096 } }],
      "homespan:agents": [
        { vm: { host: "nas", vcpus: 4, memoryMiB: 8192, network: { kind: "network", name: "default" } } },
        { vm: { host: "nas", vcpus: 1, memoryMiB: 1024, network: bridge } },
        { lima: {} },
        7,
      ],
    },
  };
  const host: WantedOnHost = {
    ...{ name: "nas", uri: nas.uri, pool: "default", type: "kvm", networks: [bridge] },
    machines: [{ vcpus: 4, memoryMiB: 8192 }],
  };
  /** A host nothing is wrong with. */
  const libvirt = (changes: Partial<Libvirt> = {}): Libvirt => ({
    node: async () => ({ memoryMiB: 16_000, cpus: 4 }),
    supports: async () => true,
    volumes: async () => [],
    networkActive: async () => true,
    interfaces: async () => ["br0", "lo"],
    domainExists: unasked,
    domainState: unasked,
    volumeKey: unasked,
    deleteVolume: unasked,
    undefineDomain: unasked,
    reservations: unasked,
    forgetReservation: unasked,
    volumeIdentity: unasked,
    ...changes,
  });
  const said = async (changes: Partial<Libvirt>, wanted: Partial<WantedOnHost> = {}): Promise<string[]> =>
    (await examineVmHost(libvirt(changes), { ...host, ...wanted }))
      .filter(({ result }) => result !== "ok")
      .map(({ name, result, message, fix }) => `${name} ${result}: ${message} (${fix ?? ""})`);

  test("each one that has a machine to run is asked for all of them together", () => {
    expect(wantedOnHosts(config)).toEqual([
      {
        ...{ name: "nas", uri: nas.uri, pool: "default", type: "kvm" },
        machines: [
          { host: "nas", vcpus: 2, memoryMiB: 4096 },
          { host: "nas", vcpus: 4, memoryMiB: 8192, network: { kind: "network", name: "default" } },
          { host: "nas", vcpus: 1, memoryMiB: 1024, network: bridge },
        ],
        networks: [bridge, { kind: "network", name: "default" }],
      },
    ]);
    expect(wantedOnHosts({ config: { "homespan:agents": 3 } })).toEqual([]);
  });

  test("one that has all of it is told in order", async () => {
    expect((await examineVmHost(libvirt(), host)).map(({ name, result }) => `${name} ${result}`)).toEqual([
      "nas libvirt ok",
      "nas kvm ok",
      "nas memory ok",
      "nas pool ok",
      "nas network ok",
    ]);
  });

  test("one that does not answer is named with the command that shows why", async () => {
    const node = (): Promise<never> =>
      Promise.reject(new Error(`libvirt at ${nas.uri} does not answer: refused`));
    expect(await said({ node })).toEqual([
      `nas libvirt problem: libvirt at ${nas.uri} does not answer: refused (is it on, and reached from here? virsh -c ${nas.uri} version; docs/libvirt.md, step 3)`,
    ]);
  });

  test("all that is short is told at once", async () => {
    const problems = await said(
      {
        supports: async () => false,
        volumes: async () => undefined,
        interfaces: async () => ["lo"],
        networkActive: async () => false,
      },
      {
        machines: [{ vcpus: 8, memoryMiB: 20_000 }],
        networks: [bridge, { kind: "network", name: "default" }],
      },
    );
    expect(problems).toEqual([
      "nas kvm problem: libvirt there cannot use KVM (docs/libvirt.md, step 2: /dev/kvm, the firmware, or `type: qemu`, many times slower)",
      "nas memory problem: 1 virtual machines with 20000 MiB, of 16000 (less `memoryMiB` for the machines there)",
      "nas vcpus problem: a machine wants 8 processors, of 4 (`vcpus` of at most 4)",
      `nas pool problem: there is no active storage pool "default" (virsh -c ${nas.uri} pool-start default; docs/libvirt.md, step 4, makes one)`,
      'nas network problem: there is no bridge "br0"; it has lo (docs/libvirt.md, step 5)',
      `nas network problem: libvirt's network "default" is not active there (virsh -c ${nas.uri} net-start default)`,
    ]);
  });

  test("machines that together want more than there is are a notice: libvirt refuses one at a time", async () => {
    const machines = [
      { vcpus: 1, memoryMiB: 9000 },
      { vcpus: 1, memoryMiB: 9000 },
    ];
    expect(await said({}, { machines })).toEqual([
      "nas memory notice: 2 virtual machines with 18000 MiB, of 16000: together they want more than there is (fewer machines there, or less `memoryMiB` for each)",
    ]);
  });
});

describe("the Mac", () => {
  const config = (mac: Record<string, unknown> = {}): { config: Record<string, unknown> } => ({
    config: {
      "homespan:mac": { address: "imac.local", user: "admin", hostKey: "ssh-ed25519 AAAA", ...mac },
      "homespan:agents": [
        { lima: {} },
        { name: "agent-4", lima: { memoryMiB: 16384 } },
        { existing: { address: "192.168.1.20" } },
      ],
    },
  });
  const facts = {
    ...{
      PROBE: "1",
      OS: "Darwin",
      OS_VERSION: "15.5",
      ARCHITECTURE: "arm64",
      TRANSLATED: "0",
      USER_ID: "501",
    },
    ...{ USER_NAME: "admin", MEMORY_BYTES: String(64 * 2 ** 30), CPUS: "8", LIMA: "2.2.0", SUDO_BOOT: "yes" },
    ...{ LIMA_HOME: "/Users/admin/.lima", FREE_KIB: String(900 * 2 ** 20) },
  };
  const beds: Bed[] = [];
  afterEach(() => {
    for (const made of beds.splice(0)) made.remove();
  });

  function bed(changes: Readonly<Record<string, string>> = {}, list = ""): Bed {
    const made = makeBed();
    beds.push(made);
    const probes = join(made.folder, "probes");
    mkdirSync(probes);
    const lines = Object.entries({ ...facts, ...changes }).map(([key, value]) => `${key}=${value}\n`);
    writeFileSync(join(probes, "admin@imac.local"), `${lines.join("")}-- list --\n${list}`);
    made.environment["FAKE_PROBES"] = probes;
    return made;
  }

  test("is looked at over SSH, with all the machines it is to run", async () => {
    const made = bed();
    const checks = await examineMac(made.context, "homelab", config(), "prod");
    expect(checks.map(({ name, result }) => `${name} ${result}`)).toEqual([
      "mac user ok",
      "mac system ok",
      "mac lima ok",
      "mac driver ok",
      "mac start ok",
      "mac memory ok",
      "mac disk ok",
    ]);
    expect(checks.find(({ name }) => name === "mac memory")?.message).toMatch(
      /^2 virtual machines with 24576 MiB/,
    );
    const [line = ""] = made.calls().filter((it) => it.startsWith("ssh|"));
    expect(line).toMatch(/StrictHostKeyChecking=yes.* admin@imac\.local \/bin\/sh -s$/);
  });

  test("what is short there is told with its fix, other people's machines counted", async () => {
    const theirs = {
      name: "docker",
      status: "Running",
      memory: 48 * 2 ** 30,
      config: { ssh: { localPort: 60_101 } },
    };
    const own = { name: "prod-agent-1", status: "Running", memory: 8 * 2 ** 30 };
    const made = bed({ SUDO_BOOT: "no" }, `${JSON.stringify(theirs)}\n${JSON.stringify(own)}\n`);
    const problems = (await examineMac(made.context, "homelab", config(), "prod")).filter(
      ({ result }) => result === "problem",
    );
    expect(problems.map(({ name }) => name)).toEqual(["mac start", "mac memory", "mac port"]);
    expect(problems[1]?.message).toMatch(/24576 MiB, and 49152 MiB of docker/);
  });

  test("one that does not answer is named, and what cannot be is config's to refuse", async () => {
    const away = bed();
    away.environment["FAKE_SSH_FAILING"] = "imac.local";
    expect(await examineMac(away.context, "homelab", config(), "prod")).toEqual([
      expect.objectContaining({
        name: "mac ssh",
        result: "problem",
        fix: expect.stringMatching(/awake/) as string,
      }),
    ]);
    const [wrong] = await examineMac(bed().context, "homelab", config({ blueprint: { image: "x" } }), "prod");
    expect(wrong).toMatchObject({ name: "mac probe", result: "problem" });
    expect(wrong?.message).toMatch(/`agents\[0\]\.image` must be/);
  });

  test("this machine is looked at by the same script, when it is the one", async () => {
    const made = bed();
    const checks = await examineMac(made.context, "homelab", config({ address: undefined }), "prod");
    expect(checks.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["mac user", "mac system", "mac lima"]),
    );
    expect(made.calls()).toEqual([]);
  });

  test("nothing is asked without a machine of Lima's, nor at an address that is none", async () => {
    const made = bed();
    expect(await examineMac(made.context, "homelab", { config: { "homespan:mac": {} } }, "prod")).toEqual([]);
    expect(
      await examineMac(made.context, "homelab", config({ address: "-oProxyCommand=x" }), "prod"),
    ).toEqual([]);
    expect(made.calls()).toEqual([]);
  });
});

function unasked(): Promise<never> {
  return Promise.reject(new Error("doctor does not ask this"));
}
