/** VmPlace, VolumeIdentity and FirstConfiguration: what a virtual machine needs before anything of it is made. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { VirshLibvirt, hasInterface } from "../../provider/effects/libvirt.ts";
import type { Finished } from "../../provider/effects/process.ts";
import { Harness } from "./harness.ts";

const place = {
  uri: "qemu:///system",
  name: "home-agent-1",
  uuid: "0e1df5a4-6bd0-8b6a-9a52-0f6ba3f0c2de",
  type: "kvm",
  memoryMiB: 4096,
  vcpus: 2,
  network: { kind: "network", name: "default" },
  pool: "default",
  volumes: ["home-agent-1.qcow2", "home-agent-1-data.qcow2"],
};

let h: Harness;
beforeEach(async () => {
  h = new Harness();
  await h.start();
});
afterEach(() => {
  h.stop();
});

describe("VmPlace", () => {
  it("is taken on a host that has what it needs, and stays when it is looked at again", async () => {
    const { id, state } = await h.create("VmPlace", place);
    expect(id).toBe("qemu:///system#home-agent-1");
    // What is made in the place is there now.
    h.libvirt.domains.add("home-agent-1");
    for (const volume of place.volumes) h.libvirt.pools.get("default")?.set(volume, "1");
    expect(await h.read("VmPlace", state)).toEqual(state);
    expect(await h.diff("VmPlace", state, place)).toEqual({});
    expect(await h.update("VmPlace", state, { ...place, memoryMiB: 8192 })).toMatchObject({
      memoryMiB: 8192,
    });
    await h.delete("VmPlace", state);
  });

  it("another name, host or pool is another place; a size is not", async () => {
    const { state } = await h.create("VmPlace", place);
    expect(await h.diff("VmPlace", state, { ...place, name: "other" })).toEqual({ name: "replace" });
    expect(await h.diff("VmPlace", state, { ...place, uri: "qemu+ssh://nas/system" })).toEqual({
      uri: "replace",
    });
    expect(await h.diff("VmPlace", state, { ...place, memoryMiB: 2048 })).toEqual({ memoryMiB: "update" });
  });

  it("says all at once what the host cannot do", async () => {
    h.libvirt.kvm = false;
    const impossible = {
      ...place,
      memoryMiB: 16_384,
      vcpus: 9,
      network: { kind: "bridge", name: "br0" },
      pool: "fast",
    };
    await expect(h.create("VmPlace", impossible)).rejects.toThrow(
      new RegExp(
        [
          "`type` must be what qemu:///system can run, got kvm, .*with qemu it runs without, many times slower",
          "`memoryMiB` must be less than the 16384 MiB of qemu:///system, got 16384",
          "`vcpus` must be at most the 8 of qemu:///system, got 9",
          '`network` must be a bridge of qemu:///system, got "br0"; it has lo, eth0, br_lan',
          '`pool` must be an active storage pool of qemu:///system, got "fast"',
        ].join("\\n"),
      ),
    );
  });

  it.each([
    [{ kind: "bridge", name: "br-lan" }, undefined],
    [{ kind: "macvtap", name: "eth0" }, undefined],
    [{ kind: "macvtap", name: "eth9" }, /must be a network interface of qemu:\/\/\/system, got "eth9"/],
    [
      { kind: "network", name: "lab" },
      /must be an active network .*virsh -c qemu:\/\/\/system net-start lab/,
    ],
  ])("looks for the network %j", async (network, problem) => {
    const made = h.create("VmPlace", { ...place, network });
    if (problem === undefined) await made;
    else await expect(made).rejects.toThrow(problem);
  });

  it("refuses an address that another machine has, and gives its own back with the place", async () => {
    const [mine, other] = [
      { mac: "52:54:00:0a:1b:2c", address: "192.168.122.50" },
      { mac: "52:54:00:aa:bb:cc", address: "192.168.122.51" },
    ];
    h.libvirt.reserved.set("default", [other]);
    await expect(h.create("VmPlace", { ...place, ...mine, address: other.address })).rejects.toThrow(
      "`address` must be free in the network default of qemu:///system, got 192.168.122.51, which is reserved for 52:54:00:aa:bb:cc",
    );
    const { state } = await h.create("VmPlace", { ...place, ...mine });
    h.libvirt.reserved.set("default", [other, mine]);
    expect(await h.update("VmPlace", state, { ...place, ...mine, vcpus: 3 })).toMatchObject({ vcpus: 3 });
    await h.delete("VmPlace", state);
    expect(h.libvirt.reserved.get("default")).toEqual([other]);
  });

  it("refuses names that somebody has: the Terraform provider would take a volume for its own", async () => {
    h.libvirt.domains.add("home-agent-1");
    h.libvirt.pools.get("default")?.set("home-agent-1-data.qcow2", "1");
    const problem = new RegExp(
      '`name` must be free on qemu:///system, got "home-agent-1"[^]*' +
        '`volumes` must be free in default of qemu:///system, got "home-agent-1-data.qcow2".*it is not touched',
    );
    await expect(h.create("VmPlace", place)).rejects.toThrow(problem);
    h.libvirt.domains.clear();
    h.libvirt.pools.get("default")?.clear();
    const { state } = await h.create("VmPlace", place);
    // One that is added later, too.
    h.libvirt.pools.get("default")?.set("more.qcow2", "1");
    await expect(
      h.update("VmPlace", state, { ...place, volumes: [...place.volumes, "more.qcow2"] }),
    ).rejects.toThrow(/`volumes` must be free .* got "more\.qcow2"/);
  });

  it("takes away with it a definition that nobody could start, and no machine that runs", async () => {
    const { state } = await h.create("VmPlace", place);
    h.libvirt.states.set(place.uuid, "running").set("another", "shut off");
    await expect(h.delete("VmPlace", state)).rejects.toThrow(
      "home-agent-1 on qemu:///system is running and in no state of Pulumi's; end it: virsh -c qemu:///system destroy home-agent-1, then run again",
    );
    h.libvirt.states.set(place.uuid, "shut off");
    await h.delete("VmPlace", state);
    expect([...h.libvirt.states.keys()]).toEqual(["another"]);
  });

  it.each([
    ["a URI of another hypervisor", { uri: "xen:///" }, /uri/],
    ["a name that is a path", { name: "../x" }, /name/],
    ["an id that is none", { uuid: "home-agent-1" }, /uuid/],
    ["no memory", { memoryMiB: 0 }, /memoryMiB/],
  ])("refuses %s in the program already", async (_name, change, field) => {
    const { problems } = await h.check("VmPlace", { ...place, ...change });
    expect(problems.join()).toMatch(field);
  });
});

describe("VolumeIdentity", () => {
  const volume = { uri: "qemu:///system", pool: "default", volume: "data.qcow2" };

  it("stays with the volume, and is gone with it", async () => {
    const pool = h.libvirt.pools.get("default");
    await expect(h.create("VolumeIdentity", volume)).rejects.toThrow(
      /`volume` must be in default .* not there/,
    );
    pool?.set("data.qcow2", "1763766000.1");
    const { state } = await h.create("VolumeIdentity", volume);
    expect(await h.read("VolumeIdentity", state)).toEqual(state);
    pool?.set("data.qcow2", "1763769999.7");
    expect(await h.read("VolumeIdentity", state)).toBeUndefined();
    const later = await h.create("VolumeIdentity", volume);
    expect(later.state["identity"]).not.toBe(state["identity"]);
    pool?.clear();
    expect(await h.read("VolumeIdentity", later.state)).toBeUndefined();
  });
});

describe("FirstConfiguration", () => {
  it("is as it was until its keepers change, and a preview says which comes", async () => {
    const { state } = await h.create("FirstConfiguration", { config: "one", keepers: "a" });
    expect(state).toMatchObject({ config: "one" });
    const later = { config: "two", keepers: "a" };
    expect(await h.diff("FirstConfiguration", state, later)).toEqual({});
    expect(await h.read("FirstConfiguration", state)).toEqual(state);
    const another = { config: "two", keepers: "b" };
    expect(Object.keys(await h.diff("FirstConfiguration", state, another))).toEqual(["keepers"]);
    for (const preview of [true, false]) {
      expect(await h.update("FirstConfiguration", state, another, preview)).toMatchObject({ config: "two" });
    }
  });
});

describe("virsh", () => {
  const calls: string[] = [];
  const answering = (answers: Readonly<Record<string, Partial<Finished>>>) => {
    calls.length = 0;
    return new VirshLibvirt((program, args) => {
      calls.push([program, ...args].join(" "));
      const command = args[3] ?? "";
      return Promise.resolve({ code: 0, stdout: "", stderr: "", ...answers[command] });
    });
  };
  const uri = "qemu:///system";
  const absent = (stderr: string) => ({ code: 1, stderr });

  it("is asked in its own words, and its answers are read", async () => {
    const libvirt = answering({
      nodeinfo: {
        stdout: "CPU model:           x86_64\nCPU(s):              2\nMemory size:         24675516 KiB\n\n",
      },
      "vol-list": { stdout: " a.qcow2      /pool/a.qcow2\n b.ign        /pool/b.ign\n\n" },
      "net-info": { stdout: "Name:           default\nActive:         yes\nPersistent:     yes\n" },
      "nodedev-list": {
        stdout: "net_eth0_52_54_00_12_34_56\nnet_lo_00_00_00_00_00_00\n",
      },
      // No interface that is part of a bridge, and bridges, of which nodedev-list knows nothing.
      "iface-list": {
        stdout: " br-lan   active   52:54:00:ab:cd:ef\n lo       active   00:00:00:00:00:00\n\n",
      },
      "vol-dumpxml": {
        stdout:
          "<volume><key>/pool/a.qcow2</key><timestamps><mtime>1</mtime><btime>1763766000.5</btime></timestamps></volume>",
      },
      domcapabilities: absent("error: invalid argument: KVM is not supported"),
      domuuid: absent("error: failed to get domain 'x'"),
    });
    expect(await libvirt.node(uri)).toEqual({ memoryMiB: 24_097, cpus: 2 });
    expect(await libvirt.volumes(uri, "default")).toEqual(["a.qcow2", "b.ign"]);
    expect(await libvirt.networkActive(uri, "default")).toBe(true);
    expect(await libvirt.interfaces(uri)).toEqual(["br-lan", "lo", "eth0"]);
    expect(await libvirt.volumeIdentity(uri, "default", "a.qcow2")).toBe("/pool/a.qcow2@1763766000.5");
    expect(await libvirt.supports(uri, "kvm", "q35")).toBe(false);
    expect(await libvirt.domainExists(uri, "x")).toBe(false);
    expect(calls).toContain(
      "virsh --quiet --connect qemu:///system domcapabilities --virttype kvm --machine q35",
    );
  });

  it("knows a bridge from its own driver alone, and without that says nothing", async () => {
    const nodedev = { stdout: "net_eth0_52_54_00_12_34_56\nnet_lo_00_00_00_00_00_00\n" };
    const unknown = answering({
      "nodedev-list": nodedev,
      "iface-list": absent("error: this function is not supported by the connection driver"),
    });
    expect(await unknown.interfaces(uri)).toBeUndefined();
    for (const [name, found] of [
      ["br-lan", true],
      ["br_lan", true],
      ["br-wan", false],
    ] as const) {
      expect(hasInterface(["eth0", "br-lan"], name)).toBe(found);
    }
    expect(hasInterface(["net_x"], "net.x")).toBe(true);
  });

  it("tells a machine's state by its id, and takes a definition", async () => {
    const libvirt = answering({ domstate: { stdout: "shut off\n\n" } });
    expect(await libvirt.domainState(uri, "1-2")).toBe("shut off");
    await libvirt.undefineDomain(uri, "1-2");
    expect(calls).toEqual([
      "virsh --quiet --connect qemu:///system domstate 1-2",
      "virsh --quiet --connect qemu:///system undefine 1-2",
    ]);
    const none = answering({ domstate: absent("error: failed to get domain '1-2'") });
    expect(await none.domainState(uri, "1-2")).toBeUndefined();
  });

  it("knows a volume's key, and deletes one that is there or not", async () => {
    const there = answering({ "vol-key": { stdout: "/pool/a.qcow2\n\n" }, "vol-delete": { stdout: "" } });
    expect(await there.volumeKey(uri, "default", "a.qcow2")).toBe("/pool/a.qcow2");
    await there.deleteVolume(uri, "default", "a.qcow2");
    expect(calls.at(-1)).toBe("virsh --quiet --connect qemu:///system vol-delete --pool default a.qcow2");
    const none = absent("error: failed to get vol 'a.qcow2'");
    const gone = answering({ "vol-key": none, "vol-delete": none });
    expect(await gone.volumeKey(uri, "default", "a.qcow2")).toBeUndefined();
    await gone.deleteVolume(uri, "default", "a.qcow2");
  });

  it("takes a reservation back where there is one, in the definition alone when the network is off", async () => {
    const dhcp =
      "<network><ip><dhcp><host mac='52:54:00:0A:1B:2C' name='x' ip='192.168.122.50'/></dhcp></ip></network>";
    const dns = "<network><dns><host ip='192.168.122.9'><hostname>x</hostname></host></dns></network>";
    const libvirt = answering({
      "net-dumpxml": { stdout: dhcp },
      "net-info": { stdout: "Active:         no\n" },
    });
    expect(await libvirt.reservations(uri, "default")).toEqual([
      { mac: "52:54:00:0a:1b:2c", address: "192.168.122.50" },
    ]);
    await libvirt.forgetReservation(uri, "default", "52:54:00:0a:1b:2c");
    expect(calls).toContain(
      "virsh --quiet --connect qemu:///system net-update default delete ip-dhcp-host <host mac='52:54:00:0a:1b:2c'/> --config",
    );
    const without = answering({ "net-dumpxml": { stdout: dns } });
    await without.forgetReservation(uri, "default", "52:54:00:0a:1b:2c");
    expect(calls.some((call) => call.includes("net-update"))).toBe(false);
  });

  it("has nothing for what is not there, and fails for a host that does not answer", async () => {
    const libvirt = answering({
      "pool-refresh": absent(
        "error: failed to get pool 'fast'\nerror: Storage pool not found: no storage pool with matching name 'fast'",
      ),
      "net-info": absent("error: failed to get network 'lab'"),
      "vol-dumpxml": absent("error: failed to get vol 'x'\nerror: Storage volume not found"),
    });
    expect(await libvirt.volumes(uri, "fast")).toBeUndefined();
    expect(await libvirt.networkActive(uri, "lab")).toBe(false);
    expect(await libvirt.volumeIdentity(uri, "default", "x")).toBeUndefined();
    const silent = answering({
      domuuid: absent(
        "error: failed to connect to the hypervisor\nerror: Failed to connect socket to '/var/run/libvirt/libvirt-sock': No such file",
      ),
    });
    await expect(silent.domainExists(uri, "x")).rejects.toThrow(
      /libvirt at qemu:\/\/\/system does not answer: error: Failed to connect socket/,
    );
  });
});
