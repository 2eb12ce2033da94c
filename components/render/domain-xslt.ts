/**
 * What of a virtual machine's definition stays, and what it gets beside: an XSLT stylesheet for the Terraform provider, which
 * writes devices that a node never uses and has no options against them.
 */
import { diskSerialBytes } from "../upstream/libvirt.ts";

export interface DomainShape {
  /** Id of the virtual machine; the provider would leave it to chance. */
  readonly uuid: string;
  /**
   * The most memory that the virtual machine's process may take on its host, MiB: beyond it the process is ended instead
   * of the host's others. See {@link hardLimitMiB}.
   *
   * @default none: for hosts without a memory controller
   */
  readonly hardLimitMiB?: number;
  /** Serial numbers of disks, by the name of the provider (`vda`, `vdb` ...): what they are found by inside. */
  readonly diskSerials: Readonly<Record<string, string>>;
  /**
   * Features of the host's processor that the virtual machine does not see.
   *
   * @default none
   */
  readonly hiddenCpuFeatures?: readonly string[];
}

/**
 * The guest's memory and what QEMU needs beside it: its own code and buffers, page tables (one part in 64), and the
 * translated code where there is no KVM (1 GiB, `tb-size` of https://www.qemu.org/docs/master/devel/tcg-ops.html).
 */
export function hardLimitMiB(memoryMiB: number, type: "kvm" | "qemu"): number {
  return memoryMiB + Math.ceil(memoryMiB / 64) + 512 + (type === "qemu" ? 1024 : 0);
}

/**
 * The stylesheet. Devices are chosen, not removed: whatever else the provider may write one day does not come through.
 *
 * Ignition's configuration comes in QEMU's own words (`qemu:commandline`), which AppArmor and SELinux do not follow, so
 * the host refuses QEMU the file; in libvirt's (`<sysinfo type='fwcfg'>`) they let it be read.
 * https://github.com/dmacvicar/terraform-provider-libvirt/issues/545, https://libvirt.org/formatdomain.html#smbios-system-information
 *
 * @throws RangeError for an id, a serial number or a feature that libvirt or QEMU would not take, and a limit that is no
 * number of MiB
 */
export function renderDomainXslt(shape: DomainShape): string {
  const { uuid, hardLimitMiB: limit, diskSerials, hiddenCpuFeatures = [] } = shape;
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(uuid)) {
    throw new RangeError(`\`uuid\` must be a UUID in lower case, got ${JSON.stringify(uuid)}`);
  }
  if (limit !== undefined && (!Number.isSafeInteger(limit) || limit < 1)) {
    throw new RangeError(`\`hardLimitMiB\` must be a whole number of MiB, got ${String(limit)}`);
  }
  const hidden = hiddenCpuFeatures.map(hiddenFeature);
  const serials = Object.entries(diskSerials).map(([disk, serial]) => serialRule(disk, serial));
  return [
    '<?xml version="1.0"?>',
    '<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform" xmlns:qemu="http://libvirt.org/schemas/domain/qemu/1.0" exclude-result-prefixes="qemu">',
    '  <xsl:output method="xml" indent="yes" omit-xml-declaration="yes"/>',
    '  <xsl:strip-space elements="*"/>',
    '  <xsl:template match="@*|node()">',
    '    <xsl:copy><xsl:apply-templates select="@*|node()"/></xsl:copy>',
    "  </xsl:template>",
    '  <xsl:template match="/domain">',
    "    <domain>",
    '      <xsl:copy-of select="@type"/>',
    '      <xsl:apply-templates select="name"/>',
    `      <uuid>${uuid}</uuid>`,
    '      <xsl:apply-templates select="metadata|description|memory|vcpu|os|features|cpu"/>',
    ...(limit === undefined ? [] : [`      <memtune><hard_limit unit="MiB">${limit}</hard_limit></memtune>`]),
    '      <xsl:variable name="config" select="qemu:commandline/qemu:arg[starts-with(@value, \'name=opt/\')]/@value"/>',
    '      <xsl:if test="$config">',
    '        <sysinfo type="fwcfg">',
    `          <entry name="{substring-before(substring-after($config, 'name='), ',file=')}" file="{substring-after($config, ',file=')}"/>`,
    "        </sysinfo>",
    "      </xsl:if>",
    '      <xsl:apply-templates select="devices"/>',
    "    </domain>",
    "  </xsl:template>",
    '  <xsl:template match="features">',
    "    <features>",
    '      <xsl:apply-templates select="@*|node()[not(self::vmport)]"/>',
    // VMware's port, on by itself.
    '      <xsl:if test="contains(../os/type/@machine, \'q35\')"><vmport state="off"/></xsl:if>',
    "    </features>",
    "  </xsl:template>",
    '  <xsl:template match="devices">',
    "    <devices>",
    "      <xsl:apply-templates select=\"emulator[. != '']\"/>",
    "      <xsl:apply-templates select=\"disk[@device='disk'][target/@bus='virtio']\"/>",
    "      <xsl:apply-templates select=\"interface[model/@type='virtio']\"/>",
    "      <xsl:apply-templates select=\"rng[@model='virtio']\"/>",
    // What libvirt would add by itself.
    '      <controller type="usb" model="none"/>',
    '      <memballoon model="none"/>',
    '      <console type="pty"><target type="virtio" port="0"/></console>',
    "    </devices>",
    "  </xsl:template>",
    '  <xsl:template match="disk/driver">',
    // What a guest no longer uses is given back to the host.
    '    <driver><xsl:copy-of select="@*"/><xsl:attribute name="discard">unmap</xsl:attribute></driver>',
    "  </xsl:template>",
    ...(hidden.length === 0 ? [] : cpuRule(hidden)),
    ...serials,
    "</xsl:stylesheet>",
    "",
  ].join("\n");
}

/** https://libvirt.org/formatdomain.html#cpu-model-and-topology: `feature` is taken with the host's own processor, too. */
function cpuRule(features: readonly string[]): string[] {
  return [
    '  <xsl:template match="/domain/cpu">',
    '    <cpu><xsl:apply-templates select="@*|node()"/>',
    ...features,
    "    </cpu>",
    "  </xsl:template>",
  ];
}

function hiddenFeature(name: string): string {
  if (!/^[a-z0-9][a-z0-9_.-]*$/.test(name)) {
    throw new RangeError(
      `\`hiddenCpuFeatures\` must be names as libvirt has them, such as arch-capabilities, got ${JSON.stringify(name)}`,
    );
  }
  return `      <feature policy="disable" name="${name}"/>`;
}

function serialRule(disk: string, serial: string): string {
  if (!/^vd[a-z]$/.test(disk)) {
    throw new RangeError(`\`diskSerials\` must be for vda to vdz, got ${JSON.stringify(disk)}`);
  }
  // QEMU keeps 20 bytes of a virtio disk's, and cuts the rest off.
  if (!/^[A-Za-z0-9_.-]+$/.test(serial) || serial.length > diskSerialBytes) {
    throw new RangeError(
      `\`diskSerials.${disk}\` must be 1 to ${diskSerialBytes} letters, digits, "_", "." and "-", got ${JSON.stringify(serial)}`,
    );
  }
  return [
    `  <xsl:template match="disk[target/@dev='${disk}']">`,
    `    <disk><xsl:apply-templates select="@*|node()[not(self::serial)]"/><serial>${serial}</serial></disk>`,
    "  </xsl:template>",
  ].join("\n");
}
