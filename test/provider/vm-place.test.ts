/** VmPlace: what a virtual machine needs before anything of it is made, and what becomes of its place later. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
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

  it("is never replaced: what is in it would have to go first", async () => {
    const { state } = await h.create("VmPlace", place);
    const another = { name: "other", uri: "qemu+ssh://nas/system", pool: "fast", memoryMiB: 2048 };
    expect(new Set(Object.values(await h.diff("VmPlace", state, { ...place, ...another })))).toEqual(
      new Set(["update"]),
    );
  });

  it("stays the same by another way to its host, and refuses another host", async () => {
    const { state } = await h.create("VmPlace", place);
    const there = { ...place, uri: "qemu+ssh://nas/system" };
    await expect(h.update("VmPlace", state, there)).rejects.toThrow(
      /`uri` must lead to the host that home-agent-1 is on, got qemu\+ssh:\/\/nas\/system, and nothing of it is there\. To another host/,
    );
    h.libvirt.states.set(place.uuid, "running");
    h.libvirt.domains.add("home-agent-1");
    const moved = await h.update("VmPlace", state, there);
    expect(moved).toMatchObject({ uri: there.uri });
    // With a volume alone, as of a machine that could not be made, too.
    h.libvirt.states.clear();
    h.libvirt.pools.get("default")?.set("home-agent-1-data.qcow2", "1");
    expect(await h.update("VmPlace", moved, place)).toMatchObject({ uri: place.uri });
  });

  it("looks for the names of another pool as if it were new there", async () => {
    const { state } = await h.create("VmPlace", place);
    h.libvirt.pools.set("fast", new Map([["home-agent-1.qcow2", "1"]]));
    await expect(h.update("VmPlace", state, { ...place, pool: "fast" })).rejects.toThrow(
      /`volumes` must be free in fast .* got "home-agent-1\.qcow2", which is there and not this stack's/,
    );
  });

  it("names what an update that did not end has left, where one goes back", async () => {
    const { state } = await h.create("VmPlace", place);
    const pool = h.libvirt.pools.get("default");
    for (const volume of place.volumes) pool?.set(volume, "1");
    const newer = { ...place, volumes: ["newer.qcow2", "home-agent-1-data.qcow2"] };
    const updated = await h.update("VmPlace", state, newer);
    expect(updated).toMatchObject({ formerVolumes: ["home-agent-1.qcow2"] });
    pool?.set("newer.qcow2", "2");
    await expect(h.update("VmPlace", updated, place)).rejects.toThrow(
      /got "home-agent-1\.qcow2", which is left by an update that did not end, .*: finish that update first/,
    );
    pool?.delete("home-agent-1.qcow2");
    expect(await h.update("VmPlace", updated, place)).toMatchObject({ formerVolumes: ["newer.qcow2"] });
  });

  it("has an address that a network it leaves reserved for it reserved no longer", async () => {
    const mine = { mac: "52:54:00:0a:1b:2c", address: "192.168.122.50" };
    const { state } = await h.create("VmPlace", { ...place, ...mine });
    h.libvirt.reserved.set("default", [mine]);
    const bridged = { ...place, ...mine, network: { kind: "bridge", name: "br-lan" } };
    await h.update("VmPlace", state, bridged);
    expect(h.libvirt.reserved.get("default")).toEqual([]);
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
          '`pool` must be an active storage pool of qemu:///system, got "fast"; start it: virsh -c qemu:///system pool-start fast ',
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
