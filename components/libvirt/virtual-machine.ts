import { Domain } from "@pulumi/libvirt/domain.js";
import { Ignition } from "@pulumi/libvirt/ignition.js";
import { Volume } from "@pulumi/libvirt/volume.js";
import * as pulumi from "@pulumi/pulumi";
import { hardLimitMiB, renderDomainXslt } from "../render/domain-xslt.ts";
import { dataDiskSerial } from "../render/immutable-machine.ts";
import { macAddress } from "../render/mac-address.ts";
import { machineUuid } from "../render/machine-uuid.ts";
import { cpuModes, machineArchitecture, machineType, systemDiskSerial } from "../upstream/libvirt.ts";
import { FirstConfiguration } from "./first-configuration.ts";
import type { LibvirtHost } from "./libvirt-host.ts";
import type { VmImage } from "./vm-image.ts";
import { VmPlace } from "./vm-place.ts";
import { vmProblems } from "./vm-rules.ts";
import { VolumeIdentity } from "./volume-identity.ts";
import { type VolumeNames, digest, volumeNames } from "./volume-names.ts";

/** Of a storage pool, or one of the host's own, which is given as it is: raw, and nothing is written to it but by the machine. */
export type DataDisk = { readonly sizeGiB: number } | { readonly blockDevice: string };

export interface VirtualMachineArgs {
  readonly host: LibvirtHost;
  /** Its name on the host; its volumes begin with it. */
  readonly machineName: string;
  readonly vcpus: number;
  /** At least 512, and less than the host has. */
  readonly memoryMiB: number;
  /**
   * False on hosts without a memory controller for control groups: nothing then keeps QEMU from taking more than the
   * machine's memory and what it needs beside.
   *
   * @default true
   */
  readonly memoryHardLimit?: boolean | undefined;
  readonly image: VmImage;
  /** At least what the image takes when it is unpacked. The disk is made anew with another image or first configuration. */
  readonly systemDiskGiB: number;
  /**
   * A disk that outlives the machine. It is protected.
   *
   * @default none: the data is on the system's disk, and goes with it
   */
  readonly dataDisk?: DataDisk | undefined;
  /**
   * A network of libvirt's, a bridge of the host's, or beside an interface of the host's (macvtap: the host itself does not
   * reach the machine then).
   */
  readonly network: { readonly kind: "network" | "bridge" | "macvtap"; readonly name: string };
  /**
   * IPv4 address where the machine answers from where Pulumi runs. In a network of libvirt's it is reserved for the machine;
   * elsewhere the network's router has to give it to {@link VirtualMachine.mac}.
   */
  readonly address: string;
  /** The machine's first configuration, Ignition's JSON. */
  readonly ignition: pulumi.Input<string>;
  /**
   * What of it cannot be delivered later, and makes another machine with another value. The rest stays as it was when the
   * system's disk was made, and is taken anew with whatever makes that anew.
   *
   * @default all of it
   */
  readonly ignitionKeepers?: pulumi.Input<string>;
  /** Where its system looks for it in QEMU's firmware configuration device. */
  readonly firmwareConfigName: string;
}

/**
 * A virtual machine with virtio disks, network and random numbers, and nothing else.
 *
 * Ignition runs at a first start alone, so another configuration is another machine, as far as `ignitionKeepers` say: system
 * disk and configuration have names that follow from what they are made of, and a machine with other disks is replaced, the
 * old one first. What is on the data disk stays.
 */
export class VirtualMachine extends pulumi.ComponentResource {
  readonly domain: Domain;
  readonly mac: string;
  readonly address: string;
  /** Id of what holds the machine's data. */
  readonly identity: pulumi.Output<string>;
  /** Another one when the machine is made anew, on the same data or not. */
  readonly installation: pulumi.Output<string>;
  readonly #name: string;

  constructor(name: string, args: VirtualMachineArgs, options: pulumi.ComponentResourceOptions = {}) {
    super("homespan:libvirt:VirtualMachine", name, {}, options);
    this.#name = name;
    const problems = vmProblems(args);
    if (problems.length > 0) throw new pulumi.ResourceError(problems.join("\n"), this);
    this.mac = macAddress(args.machineName);
    this.address = args.address;

    const config = this.#config(args);
    const names = volumeNames(args, config);
    const place = this.#place(args, names);
    const data = this.#dataVolume(args, names, place);
    const { system, ignition } = this.#system(args, { names, place, config });
    const xslt = stylesheet(args);
    this.domain = this.#domain(args, { place, system, data, ignition }, xslt);

    const systemIdentity = this.#volumeIdentity(args.host, "system", system);
    this.identity = this.#identity(args, data, place) ?? systemIdentity;
    this.installation = pulumi
      .all([systemIdentity, this.domain.id, this.domain.description])
      .apply((parts) => digest(JSON.stringify([...parts, args.vcpus, args.memoryMiB, xslt])));
    this.registerOutputs({ mac: this.mac, address: this.address });
  }

  #config({ ignition, ignitionKeepers, image, systemDiskGiB }: VirtualMachineArgs): pulumi.Output<string> {
    if (ignitionKeepers === undefined) return pulumi.output(ignition);
    const keepers = pulumi
      .output(ignitionKeepers)
      .apply((own) => digest(JSON.stringify([own, image.sum, systemDiskGiB])));
    return new FirstConfiguration(
      `${this.#name}-first-configuration`,
      { config: ignition, keepers },
      { parent: this },
    ).config;
  }

  #place(args: VirtualMachineArgs, names: VolumeNames): VmPlace {
    const { host, machineName, memoryMiB, vcpus, network, dataDisk } = args;
    const { uri, pool, type } = host;
    const volumes = [names.base, names.system, ...(isVolume(dataDisk) ? [names.data] : [])];
    return new VmPlace(
      `${this.#name}-place`,
      {
        ...{ uri, pool, type, memoryMiB, vcpus, network, mac: this.mac, address: this.address },
        ...{ name: machineName, uuid: machineUuid(machineName) },
        volumes: pulumi.all(volumes),
      },
      { parent: this },
    );
  }

  #dataVolume(
    { host, image, dataDisk }: VirtualMachineArgs,
    names: VolumeNames,
    place: VmPlace,
  ): Volume | undefined {
    if (!isVolume(dataDisk)) return undefined;
    return new Volume(
      `${this.#name}-data`,
      { name: names.data, pool: host.pool, size: bytes(dataDisk.sizeGiB), format: "qcow2" },
      { ...this.#in(host), dependsOn: [place, image], protect: true, deleteBeforeReplace: true },
    );
  }

  /** What is made anew together: the disk the machine starts from, and the configuration it finds at its first start. */
  #system(
    { host, image, systemDiskGiB }: VirtualMachineArgs,
    { names, place, config }: Chosen,
  ): { readonly system: Volume; readonly ignition: Ignition } {
    const { pool } = host;
    const base = new Volume(
      // One for each image, and another place of the same image's file is no other image: the volume would be made anew
      // under the disk of a running machine.
      `${this.#name}-base-${digest(image.sum)}`,
      { name: names.base, pool, source: image.path },
      { ...this.#in(host), dependsOn: [place], ignoreChanges: ["source"] },
    );
    const system = new Volume(
      `${this.#name}-system`,
      { name: names.system, pool, size: bytes(systemDiskGiB), baseVolumeId: base.id, format: "qcow2" },
      this.#in(host),
    );
    const ignition = new Ignition(
      `${this.#name}-ignition`,
      { name: names.ignition, pool, content: config },
      { ...this.#in(host), dependsOn: [place, image] },
    );
    return { system, ignition };
  }

  #domain(args: VirtualMachineArgs, made: Made, xslt: string): Domain {
    const { host, machineName, memoryMiB, dataDisk, network } = args;
    return new Domain(
      `${this.#name}-domain`,
      {
        name: machineName,
        // A change of the network alone the provider would write down and not make; with the description goes the machine.
        description: `Homespan: ${network.kind} ${network.name}, ${this.address}`,
        type: host.type,
        arch: machineArchitecture,
        machine: machineType,
        vcpu: args.vcpus,
        memory: memoryMiB,
        cpu: { mode: cpuModes[host.type] },
        // After a restart of the host, too.
        autostart: true,
        coreosIgnition: made.ignition.id,
        fwCfgName: args.firmwareConfigName,
        disks: [{ volumeId: made.system.id }, ...dataDisks(dataDisk, made.data)],
        networkInterfaces: [this.#interface(args)],
        xml: { xslt },
      },
      {
        ...this.#in(host),
        dependsOn: [made.place],
        deleteBeforeReplace: true,
      },
    );
  }

  #interface({ network: { kind, name }, address }: VirtualMachineArgs): NetworkInterface {
    const { mac } = this;
    if (kind === "bridge") return { mac, bridge: name };
    if (kind === "macvtap") return { mac, macvtap: name };
    return { mac, networkName: name, addresses: [address] };
  }

  #identity(
    { host, dataDisk }: VirtualMachineArgs,
    data: Volume | undefined,
    place: VmPlace,
  ): pulumi.Output<string> | undefined {
    if (data !== undefined) return this.#volumeIdentity(host, "data", data);
    return dataDisk !== undefined && "blockDevice" in dataDisk
      ? place.host.apply((uri) => `${uri}${dataDisk.blockDevice}`)
      : undefined;
  }

  #volumeIdentity({ uri, pool }: LibvirtHost, role: string, volume: Volume): pulumi.Output<string> {
    return new VolumeIdentity(
      `${this.#name}-${role}-identity`,
      { uri, pool, volume: volume.name },
      { parent: this, dependsOn: [volume] },
    ).identity;
  }

  #in({ provider }: LibvirtHost): {
    readonly parent: VirtualMachine;
    readonly provider: LibvirtHost["provider"];
  } {
    return { parent: this, provider };
  }
}

interface Chosen {
  readonly names: VolumeNames;
  readonly place: VmPlace;
  /** The first configuration. */
  readonly config: pulumi.Output<string>;
}

interface Made {
  readonly place: VmPlace;
  readonly system: Volume;
  readonly data: Volume | undefined;
  readonly ignition: Ignition;
}

/** The part of the SDK's type that is used here. */
interface NetworkInterface {
  readonly mac: string;
  readonly bridge?: string;
  readonly macvtap?: string;
  readonly networkName?: string;
  readonly addresses?: string[];
}

function stylesheet(args: VirtualMachineArgs): string {
  const { host, machineName, memoryMiB, dataDisk, memoryHardLimit = true } = args;
  return renderDomainXslt({
    uuid: machineUuid(machineName),
    ...(memoryHardLimit ? { hardLimitMiB: hardLimitMiB(memoryMiB, host.type) } : {}),
    diskSerials: { vda: systemDiskSerial, ...(dataDisk === undefined ? {} : { vdb: dataDiskSerial }) },
    hiddenCpuFeatures: host.hiddenCpuFeatures,
  });
}

function isVolume(disk: DataDisk | undefined): disk is { readonly sizeGiB: number } {
  return disk !== undefined && "sizeGiB" in disk;
}

function dataDisks(
  disk: DataDisk | undefined,
  volume: Volume | undefined,
): ({ readonly volumeId: pulumi.Output<string> } | { readonly blockDevice: string })[] {
  if (volume !== undefined) return [{ volumeId: volume.id }];
  return disk !== undefined && "blockDevice" in disk ? [{ blockDevice: disk.blockDevice }] : [];
}

function bytes(gib: number): number {
  return gib * 2 ** 30;
}
