import * as pulumi from "@pulumi/pulumi";
import type { Transport } from "../../provider/schema/common.ts";
import { bootTexts, ownBootRevision, userDataTexts } from "../machine/boot-sources.ts";
import { MachineBoot } from "../machine/machine-boot.ts";
import { type FlatcarMachine, flatcarIgnition, flatcarPlaces } from "../render/flatcar.ts";
import { machinePaths } from "../render/host-paths.ts";
import { renderIgnition } from "../render/ignition.ts";
import { placedArtifacts } from "../render/immutable-machine.ts";
import { renderArtifacts, renderNodeConf, type Artifact } from "../render/machine-files.ts";
import { renderFirewall, type Firewall } from "../render/machine-firewall.ts";
import { cloudNames, fullyQualifiedName, nodeTag, tailnetHostName, type Role } from "../render/names.ts";
import { unrestricted } from "../render/restrictions.ts";
import { type Host, type PublishedApi, tailnetApi } from "../shared/host.ts";
import type { LoginKey, Tailnet } from "../shared/tailnet.ts";
import { flatcarFirmwareConfig } from "../upstream/flatcar.ts";
import { VirtualMachine, type VirtualMachineArgs } from "./virtual-machine.ts";

export interface FlatcarVmArgs extends Omit<
  VirtualMachineArgs,
  "machineName" | "systemDiskGiB" | "ignition" | "ignitionKeepers" | "firmwareConfigName"
> {
  readonly clusterName: string;
  readonly nodeName: string;
  /** Decides the tag the node logs in with, and whether it publishes its API in the tailnet. */
  readonly role: Role;
  /**
   * Size of the disk with the system, GiB: Flatcar itself takes about 9.
   *
   * @default 20
   */
  readonly systemDiskGiB?: number;
  /**
   * `off`: the system stays as the image brought it. `system`: Flatcar updates itself and restarts when it likes, and drains
   * nothing.
   *
   * @default off
   */
  readonly osUpdates?: FlatcarMachine["osUpdates"];
  readonly tailnet: Tailnet;
  /** The cluster's key. Another one replaces the machine. */
  readonly publicKey: pulumi.Input<string>;
  /** Its private half, PEM. */
  readonly privateKey: pulumi.Output<string>;
  /** What the machine downloads: k3s and Tailscale. */
  readonly artifacts: readonly Artifact[];
}

/**
 * A node on Flatcar, in a virtual machine on libvirt. Its first configuration holds no secret. With the boot files and the
 * programs' addresses in it the machine begins to download while nobody has reached it yet; other ones are delivered, and
 * make no other machine. What the node itself is, and the key for the tailnet, come by SSH, at the first contact.
 */
export class FlatcarVm extends pulumi.ComponentResource implements Host {
  readonly nodeName: string;
  readonly site: string;
  readonly substrate = "flatcar";
  readonly tailnet: Tailnet;
  readonly hostName: string;
  readonly fullyQualifiedName: string;
  readonly tag: string;
  readonly restrictions = unrestricted;
  readonly paths = machinePaths;
  readonly transport: pulumi.Output<Transport>;
  readonly identity: pulumi.Output<string>;
  readonly publishedApi: PublishedApi | undefined;
  readonly machine: MachineBoot;
  readonly virtualMachine: VirtualMachine;
  readonly readySeconds: number | undefined;
  /** User that logs in by SSH. */
  readonly user = flatcarPlaces.user;
  readonly #name: string;

  constructor(name: string, args: FlatcarVmArgs, options: pulumi.ComponentResourceOptions = {}) {
    super("homespan:libvirt:FlatcarVm", name, {}, options);
    const { clusterName, nodeName, tailnet } = args;
    this.#name = name;
    this.nodeName = nodeName;
    this.site = args.host.site;
    this.tailnet = tailnet;
    this.hostName = tailnetHostName(clusterName, nodeName);
    this.fullyQualifiedName = fullyQualifiedName(this.hostName, tailnet.domain);
    this.tag = nodeTag(clusterName, args.role);
    this.publishedApi = args.role === "server" ? tailnetApi(this.fullyQualifiedName) : undefined;
    this.readySeconds = args.host.type === "qemu" ? imitatedSeconds : undefined;

    this.virtualMachine = this.#virtualMachine(args);
    const { identity } = this.virtualMachine;
    const key = tailnet.loginKey(
      `${name}-key`,
      { hostName: this.hostName, tag: this.tag, identity },
      { parent: this },
    );
    this.machine = this.#boot(args, key);

    // The machine's output, not the disk's: what depends on it is then known to go before the machine goes.
    this.identity = this.machine.identity;
    this.transport = pulumi.secret(this.machine.transport);
    this.registerOutputs({ nodeName, hostName: this.hostName });
  }

  #virtualMachine(args: FlatcarVmArgs): VirtualMachine {
    const { clusterName, nodeName, dataDisk, osUpdates = "off", systemDiskGiB = 20 } = args;
    const { host, image, vcpus, memoryMiB, memoryHardLimit, network, address } = args;
    const ignition = (
      deliverable: Pick<FlatcarMachine, "artifacts" | "bootSources">,
    ): pulumi.Output<string> =>
      pulumi.output(args.publicKey).apply((publicKey) =>
        renderIgnition(
          flatcarIgnition({
            ...deliverable,
            sources: userDataTexts,
            dataDisk: dataDisk === undefined ? "none" : "wanted",
            firewall,
            hostName: this.hostName,
            sshAuthorizedKeys: [publicKey],
            osUpdates,
          }),
        ),
      );
    return new VirtualMachine(
      `${this.#name}-vm`,
      {
        ...{ host, image, vcpus, memoryMiB, memoryHardLimit, systemDiskGiB, dataDisk, network, address },
        machineName: cloudNames(clusterName, nodeName).instance,
        ignition: ignition({ artifacts: args.artifacts, bootSources: bootTexts }),
        ignitionKeepers: ignition({ artifacts: [] }),
        firmwareConfigName: flatcarFirmwareConfig,
      },
      { parent: this },
    );
  }

  #boot(args: FlatcarVmArgs, key: LoginKey): MachineBoot {
    const { nodeName, tailnet } = args;
    const { domain, address, identity, installation } = this.virtualMachine;
    const files = tailnet.caCertificate.apply((caCertificate) => ({
      "steward/node.conf": renderNodeConf({
        nodeName,
        tailnetHostName: this.hostName,
        loginServer: tailnet.loginServer,
      }),
      "artifacts.conf": renderArtifacts(placedArtifacts(args.artifacts, flatcarPlaces.programs)),
      "firewall.nft": renderFirewall(firewall),
      ...(caCertificate === "" ? {} : { "boot/ca.pem": caCertificate }),
    }));
    return new MachineBoot(
      `${this.#name}-boot`,
      {
        nodeName,
        machineId: installation,
        identity,
        address,
        user: this.user,
        library: flatcarPlaces.library,
        privateKey: pulumi.secret(args.privateKey),
        bootRevision: ownBootRevision,
        beginsByItself: true,
        files,
        authKey: pulumi.secret(key.key),
        ...(this.readySeconds === undefined ? {} : { waitSeconds: this.readySeconds }),
      },
      { parent: this, dependsOn: [tailnet.policy], deletedWith: domain },
    );
  }
}

/** On a processor that QEMU imitates a first start takes minutes, and k3s as many. */
const imitatedSeconds = 1800;

/** What the network at home reaches: SSH. */
const firewall: Firewall = { outside: "closed", sshPorts: [22], ingress: false };
