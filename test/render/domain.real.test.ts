/** The stylesheet applied by the program the Terraform provider calls, judged by libvirt's schema. Where one is missing, these fail. */
import { execa } from "execa";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { domainObjections } from "../../components/render/domain-policy.ts";
import { renderDomainXslt } from "../../components/render/domain-xslt.ts";
import { machineUuid } from "../../components/render/machine-uuid.ts";

const provided = readFileSync(new URL("fixtures/libvirt-domain.xml", import.meta.url), "utf8");
const uuid = machineUuid("home-agent-1");
const shape = { uuid, hardLimitMiB: 3632, diskSerials: { vda: "homespan-system", vdb: "homespan-data" } };

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "domain-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** With the provider's own options (utils_xslt.go). */
async function apply(xslt: string, xml: string): Promise<string> {
  const [style, source] = [join(folder, "style.xsl"), join(folder, "source.xml")];
  writeFileSync(style, xslt.trim());
  writeFileSync(source, xml);
  const { stdout } = await execa("xsltproc", ["--nomkdir", "--nonet", "--nowrite", style, source]);
  return stdout;
}

async function valid(xml: string): Promise<string> {
  const path = join(folder, "domain.xml");
  writeFileSync(path, xml);
  const { all } = await execa("virt-xml-validate", [path, "domain"], { all: true });
  return all;
}

test("golden: what libvirt is given", async () => {
  await expect(`${await apply(renderDomainXslt(shape), provided)}\n`).toMatchFileSnapshot(
    "golden/domain.xml",
  );
});

describe("what libvirt is given", () => {
  test("follows libvirt's schema, as what the provider writes does", async () => {
    expect(await valid(provided)).toMatch(/validates$/);
    expect(await valid(await apply(renderDomainXslt(shape), provided))).toMatch(/validates$/);
    expect(await valid(await apply(renderDomainXslt({ uuid, diskSerials: {} }), provided))).toMatch(
      /validates$/,
    );
  });

  test("the schema would say so", async () => {
    await expect(
      valid(provided.replace("<vcpu>", "<vcpus>").replace("</vcpu>", "</vcpus>")),
    ).rejects.toThrow();
  });

  test("has nothing the policy objects to, whatever the provider writes beside", async () => {
    expect(domainObjections(await apply(renderDomainXslt(shape), provided))).toEqual([]);
    const more = [
      '<sound model="ich9"/><video><model type="cirrus"/></video><input type="tablet" bus="usb"/>',
      '<disk type="file" device="cdrom"><target dev="hdd" bus="ide"/></disk>',
      '<filesystem type="mount"><source dir="/"/><target dir="host"/></filesystem>',
      '<tpm model="tpm-tis"><backend type="emulator"/></tpm>',
      '<console type="pty"><target type="serial" port="0"/></console><serial type="pty"/>',
    ];
    for (const devices of more) {
      const xml = provided.replace("</devices>", `${devices}</devices>`);
      expect(domainObjections(await apply(renderDomainXslt(shape), xml))).toEqual([]);
    }
  });

  test("has Ignition's configuration in libvirt's words, and none of QEMU's own", async () => {
    const xml = await apply(renderDomainXslt(shape), provided);
    expect(xml).toMatch(
      /<sysinfo type="fwcfg">\s*<entry name="opt\/org\.flatcar-linux\/config" file="\/var\/lib\/libvirt\/images\/home-agent-1\.ign"\/>/,
    );
    expect(xml).not.toMatch(/qemu:|commandline|schemas\/domain\/qemu/);
    const without = provided.replace(/<commandline[^]*<\/commandline>/, "");
    expect(await apply(renderDomainXslt(shape), without)).not.toContain("sysinfo");
  });

  test("keeps size, processor, board, disks and networks", async () => {
    const xml = await apply(renderDomainXslt(shape), provided);
    for (const kept of [
      '<domain type="kvm">',
      "<name>home-agent-1</name>",
      '<memory unit="MiB">3072</memory>',
      "<vcpu>2</vcpu>",
      '<type machine="pc-q35-7.2">hvm</type>',
      '<cpu mode="host-passthrough"/>',
      '<source pool="default" volume="home-agent-1-data.qcow2"/>',
      '<mac address="52:54:00:3A:7C:10"/>',
      '<source network="default"/>',
      '<hard_limit unit="MiB">3632</hard_limit>',
      '<vmport state="off"/>',
    ]) {
      expect(xml).toContain(kept);
    }
    expect(xml.match(/discard="unmap"/g)).toHaveLength(2);
    expect(xml.match(/<serial>[^<]*/g)).toEqual(["<serial>homespan-system", "<serial>homespan-data"]);
  });

  test("hides what it is told to of the host's processor, and nothing else", async () => {
    const hiddenCpuFeatures = ["arch-capabilities", "vmx"];
    const xml = await apply(renderDomainXslt({ ...shape, hiddenCpuFeatures }), provided);
    expect(xml.replaceAll(/\s+/g, " ")).toContain(
      '<cpu mode="host-passthrough"> <feature policy="disable" name="arch-capabilities"/> <feature policy="disable" name="vmx"/> </cpu>',
    );
    expect(await valid(xml)).toMatch(/validates$/);
  });

  test("has the id it is given, whatever the provider says", async () => {
    const other = provided.replace("</name>", "</name><uuid>11111111-1111-4111-8111-111111111111</uuid>");
    for (const xml of [provided, other]) {
      expect((await apply(renderDomainXslt(shape), xml)).match(/<uuid>[^<]*/g)).toEqual([`<uuid>${uuid}`]);
    }
  });

  test("a host block device stays raw", async () => {
    const block = provided.replace(
      /<disk[^]*?<\/disk>/,
      '<disk type="block" device="disk"><driver name="qemu" type="raw"/><source dev="/dev/vg/data"/><target dev="vda" bus="virtio"/></disk>',
    );
    const xml = await apply(renderDomainXslt(shape), block);
    expect(xml).toContain('<driver name="qemu" type="raw" discard="unmap"/>');
    expect(xml).toContain('<source dev="/dev/vg/data"/>');
    expect(await valid(xml)).toMatch(/validates$/);
  });

  test("another board gets no option of x86's", async () => {
    expect(await apply(renderDomainXslt(shape), provided.replace("pc-q35-7.2", "virt-7.2"))).not.toContain(
      "vmport",
    );
  });
});
