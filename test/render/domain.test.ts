import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { domainObjections } from "../../components/render/domain-policy.ts";
import { readXml } from "../../components/render/xml.ts";
import { hardLimitMiB, renderDomainXslt } from "../../components/render/domain-xslt.ts";
import { machineUuid } from "../../components/render/machine-uuid.ts";

/**
 * The Terraform provider's own definition of a virtual machine with two disks, one network and Ignition: what 0.8.3 hands to
 * the stylesheet (resourceLibvirtDomainCreate), marshalled by its own code.
 */
export const provided = readFileSync(new URL("fixtures/libvirt-domain.xml", import.meta.url), "utf8");
/** The same after the stylesheet, and as libvirt 9.0 shows it once it is defined. */
const live = readFileSync(new URL("fixtures/libvirt-dumpxml.xml", import.meta.url), "utf8");

const uuid = machineUuid("home-agent-1");
export const stylesheet = renderDomainXslt({
  uuid,
  hardLimitMiB: hardLimitMiB(3072, "kvm"),
  diskSerials: { vda: "homespan-system", vdb: "homespan-data" },
});

test("golden", async () => {
  await expect(stylesheet).toMatchFileSnapshot("golden/domain.xslt");
});

describe("the memory limit", () => {
  test("leaves QEMU room beside the guest, and for translated code without KVM", () => {
    expect(hardLimitMiB(3072, "kvm")).toBe(3072 + 48 + 512);
    expect(hardLimitMiB(3072, "qemu")).toBe(3072 + 48 + 512 + 1024);
    expect(stylesheet).toContain('<memtune><hard_limit unit="MiB">3632</hard_limit></memtune>');
  });

  test("can be left out, for a host without a memory controller", () => {
    expect(renderDomainXslt({ uuid, diskSerials: {} })).not.toContain("memtune");
  });

  test.each([0, 1.5, Number.NaN])("refuses %d", (limit) => {
    expect(() => renderDomainXslt({ uuid, hardLimitMiB: limit, diskSerials: {} })).toThrow(
      /`hardLimitMiB` must be/,
    );
  });
});

test.each([
  ["sda", "x", /`diskSerials` must be for vda to vdz, got "sda"/],
  ["vda", "", /`diskSerials\.vda` must be 1 to 20/],
  ["vda", "a".repeat(21), /`diskSerials\.vda` must be 1 to 20/],
  ["vda", "</serial>", /`diskSerials\.vda` must be 1 to 20/],
])("refuses %s with the serial number %j", (disk, serial, message) => {
  expect(() => renderDomainXslt({ uuid, diskSerials: { [disk]: serial } })).toThrow(message);
});

test.each(["", '"/><panic/>', "Arch Capabilities"])("refuses the processor's feature %j", (name) => {
  expect(() => renderDomainXslt({ uuid, diskSerials: {}, hiddenCpuFeatures: [name] })).toThrow(
    /`hiddenCpuFeatures` must be names/,
  );
});

describe("the id", () => {
  test("is the same for the same name, another for another, and one of version 8", () => {
    expect(uuid).toBe(machineUuid("home-agent-1"));
    expect(uuid).not.toBe(machineUuid("home-agent-2"));
    expect(uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  test("is one, or nothing is rendered", () => {
    expect(() => renderDomainXslt({ uuid: "</uuid>", diskSerials: {} })).toThrow(/`uuid` must be/);
  });
});

describe("the policy", () => {
  test("finds nothing to object to in a machine libvirt shows after the stylesheet", () => {
    expect(domainObjections(live)).toEqual([]);
  });

  test("names every device the provider adds by itself", () => {
    expect(domainObjections(provided)).toEqual([
      "channel (type unix, target virtio org.qemu.guest_agent.0) is not allowed",
      "graphics (type spice) is not allowed",
      "there must be exactly 1 console, got 0",
      "there must be exactly 1 memballoon, got 0",
      "arguments of QEMU's own are not allowed",
      "there must be a usb controller of the model none",
    ]);
  });

  const extra = (device: string): string => live.replace("</devices>", `${device}</devices>`);

  test.each([
    '<input type="tablet" bus="usb"/>',
    '<sound model="ich9"/>',
    '<video><model type="cirrus"/></video>',
    '<graphics type="vnc" port="-1"/>',
    '<serial type="pty"><target port="0"/></serial>',
    '<channel type="unix"><target type="virtio" name="org.qemu.guest_agent.0"/></channel>',
    '<disk type="file" device="cdrom"><target dev="sda" bus="sata"/></disk>',
    '<disk type="file" device="disk"><target dev="sda" bus="sata"/></disk>',
    '<disk type="file" device="floppy"><target dev="fda" bus="fdc"/></disk>',
    '<interface type="network"><model type="e1000"/></interface>',
    '<interface type="user"><model type="virtio"/></interface>',
    '<hostdev mode="subsystem" type="pci"/>',
    '<redirdev bus="usb" type="spicevmc"/>',
    '<filesystem type="mount"><source dir="/"/><target dir="host"/></filesystem>',
    '<controller type="usb" index="0" model="qemu-xhci"/>',
    '<controller type="scsi" index="0" model="virtio-scsi"/>',
    '<tpm model="tpm-tis"/>',
    '<smartcard mode="host"/>',
    '<rng model="pretended"/>',
    '<shmem name="x"/>',
    '<vsock model="virtio"/>',
    '<panic model="isa"/>',
    "<a-device-of-tomorrow/>",
  ])("objects to %s", (device) => {
    expect(domainObjections(extra(device))).toEqual([expect.stringMatching(/ is not allowed$/)]);
  });

  test("objects to a second console, to a balloon, to USB by silence and to an older board", () => {
    expect(domainObjections(extra('<console type="pty"><target type="virtio" port="1"/></console>'))).toEqual(
      ["there must be exactly 1 console, got 2"],
    );
    expect(
      domainObjections(live.replace(/<memballoon model=.none.\/>/, '<memballoon model="virtio"/>')),
    ).toEqual(["memballoon (model virtio) is not allowed"]);
    expect(domainObjections(live.replace(/<controller type=.usb.[^>]*\/>/, ""))).toEqual([
      "there must be a usb controller of the model none",
    ]);
    expect(domainObjections(live.replace(/pc-q35-[\d.]+/, "pc-i440fx-7.2"))).toEqual([
      'the machine must be a q35, got "pc-i440fx-7.2"',
    ]);
  });

  test.each(["", "no xml", "<network/>", "<domain>", "<domain><devices></domain>"])("refuses %j", (xml) => {
    expect(() => domainObjections(xml)).toThrow(
      /`xml` must be libvirt's definition of a virtual machine, got/,
    );
  });
});

describe("the reader of libvirt's XML", () => {
  test("keeps elements, attributes and what is escaped, and forgets comments and prefixes", () => {
    const text =
      "<?xml version='1.0'?><!-- <x> --><a:b xmlns:a='u' c=\"1 &lt; 2\"><d/>text<d e='&quot;'/></a:b>";
    expect(readXml(text)).toMatchObject({
      name: "b",
      attributes: { c: "1 < 2" },
      children: [{ name: "d" }, { name: "d", attributes: { e: '"' } }],
    });
  });

  test.each([
    "<!DOCTYPE a [<!ENTITY x 'y'>]><a/>",
    "<a></b>",
    "<a/><b/>",
    "<a b=c/>",
    "<a",
    "text",
    "<a/>text",
    "<![CDATA[x]]>",
  ])("refuses %s", (text) => {
    expect(() => readXml(text)).toThrow(RangeError);
  });
});
