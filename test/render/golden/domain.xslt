<?xml version="1.0"?>
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform" xmlns:qemu="http://libvirt.org/schemas/domain/qemu/1.0" exclude-result-prefixes="qemu">
  <xsl:output method="xml" indent="yes" omit-xml-declaration="yes"/>
  <xsl:strip-space elements="*"/>
  <xsl:template match="@*|node()">
    <xsl:copy><xsl:apply-templates select="@*|node()"/></xsl:copy>
  </xsl:template>
  <xsl:template match="/domain">
    <domain>
      <xsl:copy-of select="@type"/>
      <xsl:apply-templates select="name"/>
      <uuid>29312e2b-dce6-869c-bae0-e55c578645df</uuid>
      <xsl:apply-templates select="metadata|description|memory|vcpu|os|features|cpu"/>
      <memtune><hard_limit unit="MiB">3632</hard_limit></memtune>
      <xsl:variable name="config" select="qemu:commandline/qemu:arg[starts-with(@value, 'name=opt/')]/@value"/>
      <xsl:if test="$config">
        <sysinfo type="fwcfg">
          <entry name="{substring-before(substring-after($config, 'name='), ',file=')}" file="{substring-after($config, ',file=')}"/>
        </sysinfo>
      </xsl:if>
      <xsl:apply-templates select="devices"/>
    </domain>
  </xsl:template>
  <xsl:template match="features">
    <features>
      <xsl:apply-templates select="@*|node()[not(self::vmport)]"/>
      <xsl:if test="contains(../os/type/@machine, 'q35')"><vmport state="off"/></xsl:if>
    </features>
  </xsl:template>
  <xsl:template match="devices">
    <devices>
      <xsl:apply-templates select="emulator[. != '']"/>
      <xsl:apply-templates select="disk[@device='disk'][target/@bus='virtio']"/>
      <xsl:apply-templates select="interface[model/@type='virtio']"/>
      <xsl:apply-templates select="rng[@model='virtio']"/>
      <controller type="usb" model="none"/>
      <memballoon model="none"/>
      <console type="pty"><target type="virtio" port="0"/></console>
    </devices>
  </xsl:template>
  <xsl:template match="disk/driver">
    <driver><xsl:copy-of select="@*"/><xsl:attribute name="discard">unmap</xsl:attribute></driver>
  </xsl:template>
  <xsl:template match="disk[target/@dev='vda']">
    <disk><xsl:apply-templates select="@*|node()[not(self::serial)]"/><serial>homespan-system</serial></disk>
  </xsl:template>
  <xsl:template match="disk[target/@dev='vdb']">
    <disk><xsl:apply-templates select="@*|node()[not(self::serial)]"/><serial>homespan-data</serial></disk>
  </xsl:template>
</xsl:stylesheet>
