import * as pulumi from "@pulumi/pulumi";
import type { Transport } from "../../provider/schema/common.ts";
import { ownBootRevision, userDataTexts } from "../machine/boot-sources.ts";
import { ExistingMachine } from "../machine/existing-machine.ts";
import { MachineBoot } from "../machine/machine-boot.ts";
import { machinePaths } from "../render/host-paths.ts";
import { renderArtifacts, renderNodeConf, type Artifact } from "../render/machine-files.ts";
import { renderFirewall, type Firewall } from "../render/machine-firewall.ts";
import { fullyQualifiedName, nodeTag, tailnetHostName } from "../render/names.ts";
import type { PodRoutes } from "../render/pod-network.ts";
import { unrestricted } from "../render/restrictions.ts";
import { renderUserData } from "../render/user-data.ts";
import type { Host } from "../shared/host.ts";
import type { LoginKey, Tailnet } from "../shared/tailnet.ts";

export interface ExistingHostArgs {
  readonly clusterName: string;
  readonly nodeName: string;
  /** The place the machine stands in: value of the label `homespan.dev/site`. */
  readonly site: string;
  /** IP address or host name where SSH answers, from where Pulumi runs. */
  readonly address: string;
  /**
   * Port where SSH answers there.
   *
   * @default 22
   */
  readonly port?: number;
  /** Who logs in: root, or a user who becomes root by sudo without a password. */
  readonly user: string;
  /**
   * The key the machine must show, `ssh-ed25519 AAAA...`.
   *
   * @default the one it shows at the first contact
   */
  readonly hostKey?: string | undefined;
  /**
   * - `cluster`: the cluster's own ports are closed on all interfaces but the tailnet's; what else the machine does is its own.
   * - `closed`: from outside of the tailnet nothing but SSH and Tailscale's own port is reached.
   *
   * @default cluster
   */
  readonly firewall?: Firewall["outside"];
  /**
   * Pods without VXLAN, each node a route to its own.
   *
   * @default VXLAN
   */
  readonly podRoutes?: PodRoutes | undefined;
  readonly tailnet: Tailnet;
  /** The cluster's key, let in at the first contact. */
  readonly publicKey: pulumi.Input<string>;
  /** Its private half, PEM. */
  readonly privateKey: pulumi.Output<string>;
  /** What the machine downloads: k3s and Tailscale. */
  readonly artifacts: readonly Artifact[];
}

/**
 * An agent on a machine that somebody else set up and that SSH reaches: a box at home, a Raspberry Pi, a server of another
 * provider. It is looked at before it is changed, and left as it was found.
 */
export class ExistingHost extends pulumi.ComponentResource implements Host {
  readonly nodeName: string;
  readonly site: string;
  readonly substrate = "existing";
  readonly tailnet: Tailnet;
  readonly hostName: string;
  readonly fullyQualifiedName: string;
  readonly tag: string;
  readonly restrictions = unrestricted;
  readonly paths = machinePaths;
  readonly transport: pulumi.Output<Transport>;
  readonly identity: pulumi.Output<string>;
  readonly publishedApi = undefined;
  readonly machine: MachineBoot;
  readonly address: string;
  readonly port: number;
  readonly user: string;
  readonly #name: string;

  constructor(name: string, args: ExistingHostArgs, options: pulumi.ComponentResourceOptions = {}) {
    super("homespan:existing:ExistingHost", name, {}, options);
    const { clusterName, nodeName, tailnet } = args;
    this.#name = name;
    this.nodeName = nodeName;
    this.site = args.site;
    this.tailnet = tailnet;
    this.hostName = tailnetHostName(clusterName, nodeName);
    this.fullyQualifiedName = fullyQualifiedName(this.hostName, tailnet.domain);
    this.tag = nodeTag(clusterName, "agent");
    this.address = args.address;
    this.port = args.port ?? 22;
    this.user = args.user;

    const existing = this.#existing(args);
    const login = { hostName: this.hostName, tag: this.tag, identity: existing.identity };
    const key = tailnet.loginKey(`${name}-key`, login, { parent: this });
    this.machine = this.#boot(args, existing, key);

    this.identity = this.machine.identity;
    this.transport = pulumi.secret(this.machine.transport);
    this.registerOutputs({ nodeName, hostName: this.hostName });
  }

  #existing({ clusterName, nodeName, hostKey, publicKey, privateKey }: ExistingHostArgs): ExistingMachine {
    return new ExistingMachine(
      `${this.#name}-machine`,
      {
        clusterName,
        nodeName,
        address: this.address,
        port: this.port,
        user: this.user,
        ...(hostKey === undefined ? {} : { hostKey }),
        publicKey,
        privateKey: pulumi.secret(privateKey),
        setup,
      },
      { parent: this },
    );
  }

  #boot(args: ExistingHostArgs, existing: ExistingMachine, key: LoginKey): MachineBoot {
    const { nodeName, tailnet, firewall = "cluster" } = args;
    const delivered = pulumi.all([tailnet.caCertificate, existing.sshPorts]);
    const files = delivered.apply(([caCertificate, sshPorts]) => ({
      "steward/node.conf": renderNodeConf({
        nodeName,
        tailnetHostName: this.hostName,
        loginServer: tailnet.loginServer,
      }),
      "artifacts.conf": renderArtifacts(args.artifacts),
      "firewall.nft": renderFirewall({
        outside: firewall,
        podRoutes: args.podRoutes,
        // The port that leads to a machine may be another one than its own.
        sshPorts: sshPorts.length > 0 ? sshPorts : [this.port],
        ingress: false,
      }),
      ...(caCertificate === "" ? {} : { "boot/ca.pem": caCertificate }),
    }));
    return new MachineBoot(
      `${this.#name}-boot`,
      {
        nodeName,
        machineId: pulumi.interpolate`${existing.identity}.${existing.machineId}`,
        identity: existing.identity,
        address: this.address,
        port: this.port,
        user: this.user,
        privateKey: pulumi.secret(args.privateKey),
        knownHostKey: existing.knownHostKey,
        bootRevision: ownBootRevision,
        files,
        authKey: pulumi.secret(key.key),
      },
      { parent: this, dependsOn: [tailnet.policy], deletedWith: existing },
    );
  }
}

/** The same for all. Nobody is locked out by it: what is closed beside the cluster's ports is closed by what is delivered later. */
const setup = renderUserData({
  sources: userDataTexts,
  dataDisk: "none",
  firewall: { outside: "cluster", sshPorts: [], ingress: false },
  artifacts: [],
  leavable: true,
});
