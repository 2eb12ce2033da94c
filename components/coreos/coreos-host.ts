import * as pulumi from "@pulumi/pulumi";
import type { Transport } from "../../provider/schema/common.ts";
import { ownBootRevision, sourceTexts } from "../machine/boot-sources.ts";
import { InstalledMachine } from "../machine/installed-machine.ts";
import { MachineBoot } from "../machine/machine-boot.ts";
import {
  fedoraCoreosIgnition,
  fedoraCoreosPlaces,
  fedoraCoreosSources,
  ignitionK3s,
} from "../render/fedora-coreos.ts";
import { machinePathsBelow } from "../render/host-paths.ts";
import { renderIgnition } from "../render/ignition.ts";
import { placedArtifacts } from "../render/immutable-machine.ts";
import { renderArtifacts, renderNodeConf, type Artifact } from "../render/machine-files.ts";
import { renderFirewall, type Firewall } from "../render/machine-firewall.ts";
import { fullyQualifiedName, nodeTag, tailnetHostName, type Role } from "../render/names.ts";
import { unrestricted } from "../render/restrictions.ts";
import { type Host, type PublishedApi, tailnetApi } from "../shared/host.ts";
import type { LoginKey, Tailnet } from "../shared/tailnet.ts";

export interface CoreosHostArgs {
  readonly clusterName: string;
  readonly nodeName: string;
  /** Decides the tag the node logs in with, and whether it publishes its API in the tailnet. */
  readonly role: Role;
  /** The place the machine stands in: value of the label `homespan.dev/site`. */
  readonly site: string;
  /** IP address or host name where SSH answers, from where Pulumi runs, once it is installed. */
  readonly address: string;
  /**
   * Port where SSH answers there.
   *
   * @default 22
   */
  readonly port?: number;
  /**
   * The key the machine must show, `ssh-ed25519 AAAA...`.
   *
   * @default the one it shows at the first contact
   */
  readonly hostKey?: string | undefined;
  /**
   * The disk it is installed on, such as /dev/disk/by-id/...: everything on it is lost then.
   *
   * @default left to whoever installs it
   */
  readonly device?: string | undefined;
  readonly tailnet: Tailnet;
  /** The cluster's key. Another one reaches the machine with another installation alone. */
  readonly publicKey: pulumi.Input<string>;
  /** Its private half, PEM. */
  readonly privateKey: pulumi.Output<string>;
  /** What the machine downloads: k3s and Tailscale. */
  readonly artifacts: readonly Artifact[];
}

/**
 * A node on Fedora CoreOS that somebody installs on a machine of their own, with the first configuration that is made here.
 * That holds no secret: boot files and the key for the tailnet come by SSH, at the first contact.
 */
export class CoreosHost extends pulumi.ComponentResource implements Host {
  readonly nodeName: string;
  readonly site: string;
  readonly substrate = "coreos";
  readonly tailnet: Tailnet;
  readonly hostName: string;
  readonly fullyQualifiedName: string;
  readonly tag: string;
  readonly restrictions = unrestricted;
  readonly paths = machinePathsBelow(fedoraCoreosPlaces.data);
  readonly transport: pulumi.Output<Transport>;
  readonly identity: pulumi.Output<string>;
  readonly publishedApi: PublishedApi | undefined;
  readonly machine: MachineBoot;
  /** What the machine is to be installed with: Ignition's JSON. No secret. */
  readonly firstConfiguration: pulumi.Output<string>;
  readonly address: string;
  readonly port: number;
  /** User that logs in by SSH. */
  readonly user = fedoraCoreosPlaces.user;
  readonly #name: string;

  constructor(name: string, args: CoreosHostArgs, options: pulumi.ComponentResourceOptions = {}) {
    super("homespan:coreos:CoreosHost", name, {}, options);
    const { clusterName, nodeName, tailnet } = args;
    this.#name = name;
    this.nodeName = nodeName;
    this.site = args.site;
    this.tailnet = tailnet;
    this.hostName = tailnetHostName(clusterName, nodeName);
    this.fullyQualifiedName = fullyQualifiedName(this.hostName, tailnet.domain);
    this.tag = nodeTag(clusterName, args.role);
    this.publishedApi = args.role === "server" ? tailnetApi(this.fullyQualifiedName) : undefined;
    this.address = args.address;
    this.port = args.port ?? 22;
    this.firstConfiguration = this.#firstConfiguration(args);

    const installed = this.#installed(args);
    const login = { hostName: this.hostName, tag: this.tag, identity: installed.identity };
    const key = tailnet.loginKey(`${name}-key`, login, { parent: this });
    this.machine = this.#boot(args, installed, key);

    this.identity = this.machine.identity;
    this.transport = pulumi.secret(this.machine.transport);
    this.registerOutputs({ nodeName, hostName: this.hostName });
  }

  #firstConfiguration({ artifacts, publicKey }: CoreosHostArgs): pulumi.Output<string> {
    const k3s = ignitionK3s(artifacts);
    return pulumi.output(publicKey).apply((key) =>
      renderIgnition(
        fedoraCoreosIgnition({
          ...{ sources: sourceTexts(fedoraCoreosSources), dataDisk: "none", firewall, artifacts: [] },
          ...{ hostName: this.hostName, sshAuthorizedKeys: [key], k3s },
        }),
      ),
    );
  }

  #installed({ clusterName, nodeName, hostKey, device, privateKey }: CoreosHostArgs): InstalledMachine {
    return new InstalledMachine(
      `${this.#name}-machine`,
      {
        ...{ clusterName, nodeName, address: this.address, port: this.port, user: this.user },
        ...(hostKey === undefined ? {} : { hostKey }),
        ...(device === undefined ? {} : { device }),
        privateKey: pulumi.secret(privateKey),
        library: fedoraCoreosPlaces.library,
        data: fedoraCoreosPlaces.data,
        firstConfiguration: this.firstConfiguration,
      },
      { parent: this },
    );
  }

  #boot(args: CoreosHostArgs, installed: InstalledMachine, key: LoginKey): MachineBoot {
    const { nodeName, tailnet } = args;
    const files = tailnet.caCertificate.apply((caCertificate) => ({
      "steward/node.conf": renderNodeConf({
        nodeName,
        tailnetHostName: this.hostName,
        loginServer: tailnet.loginServer,
      }),
      "artifacts.conf": renderArtifacts(placedArtifacts(args.artifacts, fedoraCoreosPlaces.programs)),
      "firewall.nft": renderFirewall(firewall),
      ...(caCertificate === "" ? {} : { "boot/ca.pem": caCertificate }),
    }));
    return new MachineBoot(
      `${this.#name}-boot`,
      {
        nodeName,
        machineId: pulumi.interpolate`${installed.identity}.${installed.machineId}`,
        identity: installed.identity,
        address: this.address,
        port: this.port,
        user: this.user,
        library: fedoraCoreosPlaces.library,
        privateKey: pulumi.secret(args.privateKey),
        knownHostKey: installed.knownHostKey,
        bootRevision: ownBootRevision,
        files,
        authKey: pulumi.secret(key.key),
      },
      { parent: this, dependsOn: [tailnet.policy], deletedWith: installed },
    );
  }
}

/** What the network at home reaches: SSH, on whichever port of a router. */
const firewall: Firewall = { outside: "closed", sshPorts: [22], ingress: false };
