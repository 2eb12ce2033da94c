import { Disk } from "@pulumi/aws/lightsail/disk.js";
import { Disk_attachment as DiskAttachment } from "@pulumi/aws/lightsail/disk_attachment.js";
import { Instance } from "@pulumi/aws/lightsail/instance.js";
import { InstancePublicPorts } from "@pulumi/aws/lightsail/instancePublicPorts.js";
import { StaticIp } from "@pulumi/aws/lightsail/staticIp.js";
import { StaticIpAttachment } from "@pulumi/aws/lightsail/staticIpAttachment.js";
import * as pulumi from "@pulumi/pulumi";
import type { Transport } from "../../provider/schema/common.ts";
import { ownBootRevision, userDataTexts } from "../machine/boot-sources.ts";
import { MachineBoot } from "../machine/machine-boot.ts";
import { machinePaths } from "../render/host-paths.ts";
import { renderArtifacts, renderNodeConf, type Artifact } from "../render/machine-files.ts";
import { renderFirewall, type Firewall } from "../render/machine-firewall.ts";
import { cloudNames, fullyQualifiedName, nodeTag, tailnetHostName, type Role } from "../render/names.ts";
import { unrestricted } from "../render/restrictions.ts";
import { renderUserData } from "../render/user-data.ts";
import { type Host, type PublishedApi, tailnetApi } from "../shared/host.ts";
import type { LoginKey, Tailnet } from "../shared/tailnet.ts";
import { lightsailBlueprints, lightsailDiskPath, type LightsailBlueprintId } from "../upstream/lightsail.ts";
import { publicPorts, sshPort, type OpenToTheWorld } from "./public-ports.ts";

export interface LightsailServerArgs {
  readonly clusterName: string;
  readonly nodeName: string;
  /** Decides the tag the node logs in with, and whether it publishes its API in the tailnet. */
  readonly role: Role;
  /** Where the instance stands: the site of the node. */
  readonly region: string;
  readonly availabilityZone: string;
  /** Size, and with it the price. Another one replaces the instance. */
  readonly bundleId: string;
  /** Operating system. Another one replaces the instance. */
  readonly blueprintId: LightsailBlueprintId;
  readonly tailnet: Tailnet;
  /** Key pair of the cluster in the region; another one replaces the instance. */
  readonly keyPairName: pulumi.Input<string>;
  /** Its private half, PEM. */
  readonly privateKey: pulumi.Output<string>;
  /** What the machine downloads: k3s and Tailscale. */
  readonly artifacts: readonly Artifact[];
  /** What is reached on the public address. */
  readonly open: OpenToTheWorld;
  /**
   * Size of an extra disk for /data, GiB. It is protected and outlives the instance: a replaced instance that gets it
   * back is the same node.
   *
   * @default none: /data is on the instance's own disk, and goes with it
   */
  readonly diskGiB?: number | undefined;
  /**
   * Full hour of the daily snapshot of the whole instance, UTC, such as 03:00.
   *
   * @default none
   */
  readonly snapshotTime?: string | undefined;
}

/**
 * A node on an Amazon Lightsail instance. No secret is in its user-data: the key for the tailnet is made for exactly this
 * machine and delivered by SSH, at the first contact.
 */
export class LightsailServer extends pulumi.ComponentResource implements Host {
  readonly nodeName: string;
  readonly site: string;
  readonly substrate = "lightsail";
  readonly tailnet: Tailnet;
  readonly hostName: string;
  readonly fullyQualifiedName: string;
  readonly tag: string;
  readonly restrictions = unrestricted;
  readonly paths = machinePaths;
  readonly transport: pulumi.Output<Transport>;
  readonly identity: pulumi.Output<string>;
  readonly publishedApi: PublishedApi | undefined;
  readonly externalAddress: pulumi.Output<string>;
  readonly machine: MachineBoot;
  /** User that logs in by SSH. */
  readonly user: string;
  readonly #name: string;

  constructor(name: string, args: LightsailServerArgs, options: pulumi.ComponentResourceOptions = {}) {
    super("homespan:lightsail:LightsailServer", name, {}, options);
    const { clusterName, nodeName, tailnet } = args;
    this.#name = name;
    this.nodeName = nodeName;
    this.site = args.region;
    this.tailnet = tailnet;
    this.hostName = tailnetHostName(clusterName, nodeName);
    this.fullyQualifiedName = fullyQualifiedName(this.hostName, tailnet.domain);
    this.tag = nodeTag(clusterName, args.role);
    this.user = lightsailBlueprints[args.blueprintId].user;
    this.publishedApi = args.role === "server" ? tailnetApi(this.fullyQualifiedName) : undefined;

    const address = this.#address(args);
    const instance = this.#instance(args);
    const disk = this.#disk(args, instance);
    const reached = [...this.#reachable(args, instance, address), ...disk.attachments];
    const identity = disk.id ?? instance.arn;
    const login = { hostName: this.hostName, tag: this.tag, identity };
    const key = tailnet.loginKey(`${name}-key`, login, { parent: this });
    this.machine = this.#boot(args, { instance, address, identity, key, reached });

    this.externalAddress = address.ipAddress;
    // The machine's output, not the disk's: what depends on it is then known to go before the machine goes.
    this.identity = this.machine.identity;
    this.transport = pulumi.secret(this.machine.transport);
    this.registerOutputs({ nodeName, hostName: this.hostName });
  }

  #address({ clusterName, nodeName }: LightsailServerArgs): StaticIp {
    return new StaticIp(
      `${this.#name}-address`,
      { name: cloudNames(clusterName, nodeName).address },
      { parent: this, deleteBeforeReplace: true },
    );
  }

  #instance(args: LightsailServerArgs): Instance {
    const { snapshotTime } = args;
    return new Instance(
      `${this.#name}-instance`,
      {
        name: cloudNames(args.clusterName, args.nodeName).instance,
        availabilityZone: args.availabilityZone,
        bundleId: args.bundleId,
        blueprintId: args.blueprintId,
        keyPairName: args.keyPairName,
        // Nodes have no public IPv6 address that would need a firewall of its own.
        ipAddressType: "ipv4",
        userData: userData(args),
        ...(snapshotTime === undefined
          ? {}
          : { addOn: { type: "AutoSnapshot", snapshotTime, status: "Enabled" } }),
        tags: tags(args),
      },
      { parent: this, deleteBeforeReplace: true },
    );
  }

  /** The disk's id is the node's identity: it is undefined where there is no extra disk. */
  #disk(
    args: LightsailServerArgs,
    instance: Instance,
  ): { readonly id: pulumi.Output<string> | undefined; readonly attachments: readonly pulumi.Resource[] } {
    if (args.diskGiB === undefined) return { id: undefined, attachments: [] };
    const disk = new Disk(
      `${this.#name}-disk`,
      {
        name: cloudNames(args.clusterName, args.nodeName).disk,
        availabilityZone: args.availabilityZone,
        sizeInGb: args.diskGiB,
        tags: tags(args),
      },
      { parent: this, protect: true, deleteBeforeReplace: true },
    );
    const attachment = new DiskAttachment(
      `${this.#name}-disk-attachment`,
      { diskName: disk.name, instanceName: instance.name, diskPath: lightsailDiskPath },
      // Not deletedWith the instance: detaching stops it first, so that it leaves a clean file system behind.
      { parent: this, deleteBeforeReplace: true },
    );
    return { id: disk.arn, attachments: [attachment] };
  }

  /** What must be there before the machine answers on its address. */
  #reachable(args: LightsailServerArgs, instance: Instance, address: StaticIp): pulumi.Resource[] {
    // Lightsail undoes them with the instance, and refuses to do so of one that is gone.
    const goesWithInstance = { parent: this, deleteBeforeReplace: true, deletedWith: instance };
    const attachment = new StaticIpAttachment(
      `${this.#name}-address-attachment`,
      { staticIpName: address.name, instanceName: instance.name },
      goesWithInstance,
    );
    const ports = new InstancePublicPorts(
      `${this.#name}-ports`,
      { instanceName: instance.name, portInfos: publicPorts(args.role, args.open) },
      // Deleting the former list closes its ports, those of the new list among them.
      goesWithInstance,
    );
    return [attachment, ports];
  }

  #boot(args: LightsailServerArgs, made: MadeMachine): MachineBoot {
    const { tailnet } = args;
    const files = tailnet.caCertificate.apply((caCertificate) => ({
      "steward/node.conf": renderNodeConf({
        nodeName: args.nodeName,
        tailnetHostName: this.hostName,
        loginServer: tailnet.loginServer,
      }),
      "artifacts.conf": renderArtifacts(args.artifacts),
      "firewall.nft": renderFirewall(firewall(args)),
      ...(caCertificate === "" ? {} : { "boot/ca.pem": caCertificate }),
    }));
    return new MachineBoot(
      `${this.#name}-boot`,
      {
        nodeName: args.nodeName,
        machineId: made.instance.arn,
        identity: made.identity,
        address: made.address.ipAddress,
        port: sshPort,
        user: this.user,
        privateKey: pulumi.secret(args.privateKey),
        bootRevision: ownBootRevision,
        files,
        authKey: pulumi.secret(made.key.key),
      },
      {
        parent: this,
        dependsOn: [...made.reached, tailnet.policy],
        deletedWith: made.instance,
      },
    );
  }
}

interface MadeMachine {
  readonly instance: Instance;
  readonly address: StaticIp;
  readonly identity: pulumi.Output<string>;
  readonly key: LoginKey;
  /** Ways to the machine, and its disk: there before the first contact. */
  readonly reached: readonly pulumi.Resource[];
}

/**
 * The same for all nodes but for the disk, and free of everything that can be delivered later: another text is another
 * instance.
 */
function userData({ diskGiB }: LightsailServerArgs): string {
  return renderUserData({
    sources: userDataTexts,
    dataDisk: diskGiB === undefined ? "none" : "wanted",
    firewall: { outside: "closed", sshPorts: [sshPort], ingress: false },
    artifacts: [],
  });
}

function firewall({ role, open }: LightsailServerArgs): Firewall {
  return {
    outside: "closed",
    sshPorts: [sshPort],
    ingress: open.ingress && role === "server",
    openPorts: open.extraPorts,
  };
}

/** https://docs.aws.amazon.com/lightsail/latest/userguide/amazon-lightsail-tags.html */
function tags({ clusterName, nodeName }: LightsailServerArgs): Record<string, string> {
  return { "homespan.cluster": clusterName, "homespan.node": nodeName };
}
