/** VolumeIdentity, FirstConfiguration, and the questions that are put to libvirt. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { VirshLibvirt, hasInterface } from "../../provider/effects/libvirt.ts";
import type { Finished } from "../../provider/effects/process.ts";
import { Harness } from "./harness.ts";

let h: Harness;
beforeEach(async () => {
  h = new Harness();
  await h.start();
});
afterEach(() => {
  h.stop();
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

describe("VolumeIdentity, of a host that is reached by another URI", () => {
  it("stays where the same volume is there, and is refused where not", async () => {
    const volume = { uri: "qemu:///system", pool: "default", volume: "data.qcow2" };
    const pool = h.libvirt.pools.get("default");
    pool?.set("data.qcow2", "1");
    const { state } = await h.create("VolumeIdentity", volume);
    const there = { ...volume, uri: "qemu+ssh://nas/system" };
    expect(await h.diff("VolumeIdentity", state, there)).toEqual({ uri: "update" });
    expect(await h.update("VolumeIdentity", state, there)).toMatchObject({ identity: state["identity"] });
    pool?.set("data.qcow2", "2");
    await expect(h.update("VolumeIdentity", state, there)).rejects.toThrow(/which has another$/);
    pool?.clear();
    await expect(h.update("VolumeIdentity", state, there)).rejects.toThrow(/which has none$/);
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
    const none = absent(
      "error: failed to get vol 'a.qcow2'\nerror: Storage volume not found: no storage vol with matching path 'a.qcow2'",
    );
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
      "net-info": absent(
        "error: failed to get network 'lab'\nerror: Network not found: no network with matching name 'lab'",
      ),
      "vol-dumpxml": absent(
        "error: failed to get vol 'x'\nerror: Storage volume not found: no storage vol with matching path 'x'",
      ),
    });
    expect(await libvirt.volumes(uri, "fast")).toBeUndefined();
    await expect(libvirt.volumeKey(uri, "fast", "x")).rejects.toThrow(
      /^qemu:\/\/\/system must have the storage pool fast; docs\/libvirt\.md, step 4, makes one$/,
    );
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

  it("knows nothing of what is in a pool that is not active, and says how to start it", async () => {
    // As `virsh -c test:///default` says it, after `pool-destroy default-pool`.
    const off = absent("error: pool 'default' is not active");
    const libvirt = answering({
      "pool-refresh": absent(
        "error: Failed to refresh pool default\nerror: Requested operation is not valid: storage pool 'default' is not active",
      ),
      ...{ "vol-key": off, "vol-dumpxml": off, "vol-delete": off },
    });
    expect(await libvirt.volumes(uri, "default")).toBeUndefined();
    for (const asked of [
      libvirt.volumeKey(uri, "default", "x"),
      libvirt.volumeIdentity(uri, "default", "x"),
      libvirt.deleteVolume(uri, "default", "x"),
    ]) {
      await expect(asked).rejects.toThrow(
        /^the storage pool default of qemu:\/\/\/system must be active; start it: virsh -c qemu:\/\/\/system pool-start default$/,
      );
    }
  });

  it.each([
    // As virsh says it with an SSH that finds no `nc` on the host.
    [
      "error: failed to connect to the hypervisor\nerror: Cannot recv data: sh: nc: not found: Connection reset by peer",
      /: error: Cannot recv data: sh: nc: not found: Connection reset by peer$/,
    ],
    [
      "error: Disconnected from qemu+ssh://nas/system due to end of file\nerror: failed to get domain 'x'",
      /: error: Disconnected from .* due to end of file$/,
    ],
    ["error: failed to get vol 'x'\nerror: internal error: client socket is closed", /socket is closed$/],
  ])("takes nothing for absent on a host that does not answer: %j", async (stderr, reason) => {
    const failing = absent(stderr);
    const libvirt = answering({
      ...{ domuuid: failing, domstate: failing, "vol-dumpxml": failing, "vol-delete": failing },
      ...{ "pool-refresh": failing, "net-info": failing, "net-dumpxml": failing },
      ...{ domcapabilities: failing, "iface-list": failing },
    });
    for (const asked of [
      libvirt.domainExists(uri, "x"),
      libvirt.domainState(uri, "x"),
      libvirt.volumeIdentity(uri, "default", "x"),
      libvirt.volumes(uri, "default"),
      libvirt.volumeKey(uri, "default", "x"),
      libvirt.deleteVolume(uri, "default", "x"),
      libvirt.networkActive(uri, "default"),
      libvirt.reservations(uri, "default"),
      libvirt.supports(uri, "kvm", "q35"),
      libvirt.interfaces(uri),
    ]) {
      const error: unknown = await asked.catch((thrown: unknown) => thrown);
      const { message } = error as Error;
      expect(message).toMatch(/^libvirt at qemu:\/\/\/system does not answer: error: /);
      expect(message).toMatch(reason);
    }
  });
});
