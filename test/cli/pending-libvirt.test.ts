import { beforeEach, describe, expect, test } from "vitest";
import type { Deployment, PendingResource } from "../../cli/pending.ts";
import { isOnHost, settlePending, UnansweredCreates } from "../../cli/pending.ts";
import { settleOnHosts } from "../../cli/pending-libvirt.ts";
import { FakeLibvirt } from "../provider/fake-libvirt.ts";

const urn = (type: string, name: string): string => `urn:pulumi:s::homespan::${type}::${name}`;
const machine = {
  urn: urn("homespan:libvirt:VirtualMachine", "vm-1-vm"),
  type: "homespan:libvirt:VirtualMachine",
};
const provider = {
  urn: urn("pulumi:providers:libvirt", "nas"),
  type: "pulumi:providers:libvirt",
  id: "5f",
};
const place = {
  urn: urn("homespan:index:VmPlace", "vm-1-vm-place"),
  type: "homespan:index:VmPlace",
  parent: machine.urn,
  inputs: {
    ...{ uri: "qemu:///system", name: "home-vm-1", uuid: "1-2", pool: "default" },
    volumes: ["home-vm-1-base-1.qcow2", "home-vm-1-system-2.qcow2", "home-vm-1-data.qcow2"],
  },
};
const making = (kind: string, inputs: object): PendingResource => ({
  urn: urn(`libvirt:index/${kind}`, "it"),
  type: `libvirt:index/${kind}`,
  parent: machine.urn,
  provider: `${provider.urn}::5f`,
  dependencies: [place.urn],
  inputs: { __defaults: [], ...inputs },
});
const killed = (resource: PendingResource, resources = [machine, provider, place]): Deployment => ({
  resources,
  pending_operations: [{ type: "creating", resource }],
});
const domain = making("domain:Domain", { name: "home-vm-1" });
const config = making("ignition:Ignition", { name: "home-vm-1-3.ign", pool: "default", content: "{}" });
const volume = (name: string, inputs: object = {}): PendingResource =>
  making("volume:Volume", { name, pool: "default", ...inputs });

describe("what a killed run was making on a host with libvirt", () => {
  let libvirt: FakeLibvirt;
  beforeEach(() => {
    libvirt = new FakeLibvirt();
  });
  const there = (name: string): void => {
    libvirt.pools.get("default")?.set(name, "now");
  };
  const isThere = (name: string): boolean => libvirt.pools.get("default")?.has(name) ?? false;
  const found = async (
    resource: PendingResource,
    deployment = killed(resource),
  ): Promise<string | undefined> => (await settleOnHosts(libvirt, deployment)).get(resource.urn);

  test("only what is made there needs the hosts", () => {
    expect([machine, place, domain].map(isOnHost)).toEqual([false, false, true]);
  });

  test.each(["running", "paused"])("a machine that is %s is taken for made, under its id", async (state) => {
    libvirt.states.set("1-2", state);
    const deployment = killed(domain);
    const ids = await settleOnHosts(libvirt, deployment);
    const { deployment: settled, adopted } = settlePending(deployment, { ids });
    expect(adopted).toEqual([domain.urn]);
    expect(settled.resources?.at(-1)).toMatchObject({
      id: "1-2",
      // By this name the provider reads it; without it, it calls the machine gone.
      outputs: { name: "home-vm-1", domainId: "1-2" },
    });
  });

  test("one that is off, and one that is not there, is made by the next run", async () => {
    expect(await found(domain)).toBeUndefined();
    libvirt.states.set("1-2", "shut off");
    expect(await found(domain)).toBeUndefined();
    expect(libvirt.states.has("1-2")).toBe(true);
  });

  test("so is one whose answer was lost", () => {
    const creates = new UnansweredCreates();
    const metadata = { op: "create", urn: domain.urn, type: domain.type, new: domain };
    creates.handle({ resourcePreEvent: { metadata } });
    creates.handle({ resOpFailedEvent: { metadata } });
    creates.handle({
      diagnosticEvent: { severity: "error", urn: domain.urn, message: "unexpected EOF" },
    });
    expect(creates.list()).toMatchObject([{ urn: domain.urn, parent: machine.urn }]);
  });

  test("a data disk is taken for made, and never deleted", async () => {
    const data = volume("home-vm-1-data.qcow2", { size: 2 ** 30 });
    expect(await found(data)).toBeUndefined();
    there("home-vm-1-data.qcow2");
    expect(await found(data)).toBe("/default/home-vm-1-data.qcow2");
    expect(isThere("home-vm-1-data.qcow2")).toBe(true);
  });

  test("what was being uploaded may be there in part, and is made again", async () => {
    const base = volume("home-vm-1-base-1.qcow2", { source: "/images/flatcar.qcow2" });
    there("home-vm-1-base-1.qcow2");
    expect(await found(base)).toBeUndefined();
    expect(isThere("home-vm-1-base-1.qcow2")).toBe(false);
    there("home-vm-1-3.ign");
    expect(await found(config)).toBeUndefined();
    expect(isThere("home-vm-1-3.ign")).toBe(false);
  });

  test("a system that was never started is made again, so that none is left over when it is not asked for", async () => {
    const system = volume("home-vm-1-system-2.qcow2", { baseVolumeId: "/default/home-vm-1-base-1.qcow2" });
    there("home-vm-1-system-2.qcow2");
    expect(await found(system)).toBeUndefined();
    expect(isThere("home-vm-1-system-2.qcow2")).toBe(false);
  });

  test("what the state still holds, for a machine to start from, is never deleted", async () => {
    const former = { ...config, id: "/default/home-vm-1-3.ign;6f", delete: true };
    there("home-vm-1-3.ign");
    const deployment = killed(config, [machine, provider, place, former] as never);
    expect(await found(config, deployment)).toBeUndefined();
    expect(isThere("home-vm-1-3.ign")).toBe(true);
  });

  test("of names that its place does not hold nothing is touched, nor without a place", async () => {
    const strange = volume("somebody.qcow2", { source: "/images/other.qcow2" });
    const other = making("ignition:Ignition", { name: "other-3.ign", pool: "default" });
    for (const name of ["somebody.qcow2", "other-3.ign", "home-vm-1-base-1.qcow2"]) there(name);
    expect(await found(strange)).toBeUndefined();
    expect(await found(other)).toBeUndefined();
    libvirt.states.set("1-2", "running");
    expect(await found(making("domain:Domain", { name: "other" }))).toBeUndefined();
    const base = volume("home-vm-1-base-1.qcow2", { source: "/images/flatcar.qcow2" });
    expect(await found(base, killed(base, [machine, provider] as never))).toBeUndefined();
    expect(libvirt.pools.get("default")?.size).toBe(3);
  });

  test("what was being deleted is left to the next refresh", async () => {
    const base = volume("home-vm-1-base-1.qcow2", { source: "/images/flatcar.qcow2" });
    there("home-vm-1-base-1.qcow2");
    const deleting = { ...killed(base), pending_operations: [{ type: "deleting", resource: base }] };
    expect(await found(base, deleting)).toBeUndefined();
    expect(isThere("home-vm-1-base-1.qcow2")).toBe(true);
  });

  test("a host that does not answer is a reason to stop", async () => {
    libvirt.domainState = () =>
      Promise.reject(new Error("libvirt at qemu:///system does not answer: no route"));
    await expect(settleOnHosts(libvirt, killed(domain))).rejects.toThrow(
      /does not answer: no route\n {2}a killed run was making home-vm-1 there/,
    );
  });
});
