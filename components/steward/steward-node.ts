import * as pulumi from "@pulumi/pulumi";
import type { Transport } from "../../provider/schema/common.ts";
import { stewardPaths } from "../render/host-paths.ts";
import { fullyQualifiedName, nodeTag, tailnetHostName, type Role } from "../render/names.ts";
import { podmanLimitFlags, unrestricted, type Restrictions } from "../render/restrictions.ts";
import { renderStewardFiles } from "../render/steward-files.ts";
import type { Host, PublishedApi } from "../shared/host.ts";
import type { Tailnet } from "../shared/tailnet.ts";
import { k3sPorts } from "../upstream/k3s.ts";
import { StewardLogin, StewardMachine, StewardVolume } from "./steward-machine.ts";

export interface StewardNodeArgs {
  readonly clusterName: string;
  readonly nodeName: string;
  /** Decides the tag the node logs in with. */
  readonly role: Role;
  readonly site: string;
  /** Podman network of that site. */
  readonly networkName: pulumi.Input<string>;
  readonly tailnet: Tailnet;
  /** Directory of the Podman service's socket, on this machine. */
  readonly socketDirectory: pulumi.Input<string>;
  readonly images: { readonly steward: string; readonly tailscale: string; readonly k3s: string };
  /**
   * Which build of the steward image, whose name is the same for all builds: another one makes the pod anew on its
   * data volume.
   *
   * @default not told apart
   */
  readonly stewardRevision?: string | undefined;
  /**
   * Directory of image archives on this machine that k3s imports at its start.
   *
   * @default none: images come from a registry
   */
  readonly imagesDirectory?: string | undefined;
  /**
   * Port on 127.0.0.1 of this machine where the node's Kubernetes API is published.
   *
   * @default none
   */
  readonly apiPort?: number | undefined;
  /**
   * What this machine does not allow its containers.
   *
   * @default nothing is restricted
   */
  readonly restrictions?: Restrictions;
}

/**
 * A node on this machine's Podman: a data volume that is the node's identity, the pod on it, and its login with a
 * single-use key made for exactly this volume. A new volume means a new key and a new machine; a new machine alone does not.
 * The pod needs nothing of the control server, so both start at the same time.
 */
export class StewardNode extends pulumi.ComponentResource implements Host {
  readonly nodeName: string;
  readonly site: string;
  readonly substrate = "steward";
  readonly tailnet: Tailnet;
  readonly hostName: string;
  readonly fullyQualifiedName: string;
  readonly tag: string;
  readonly restrictions: Restrictions;
  readonly paths = stewardPaths;
  readonly transport: pulumi.Output<Transport>;
  readonly identity: pulumi.Output<string>;
  readonly publishedApi: PublishedApi | undefined;
  readonly machine: StewardMachine;
  readonly podName: pulumi.Output<string>;

  constructor(name: string, args: StewardNodeArgs, options: pulumi.ComponentResourceOptions = {}) {
    super("homespan:steward:StewardNode", name, {}, options);
    const { clusterName, nodeName, tailnet } = args;
    this.nodeName = nodeName;
    this.site = args.site;
    this.tailnet = tailnet;
    this.hostName = tailnetHostName(clusterName, nodeName);
    this.fullyQualifiedName = fullyQualifiedName(this.hostName, tailnet.domain);
    this.tag = nodeTag(clusterName, args.role);
    this.restrictions = args.restrictions ?? unrestricted;
    this.publishedApi = publishedApi(args.apiPort);

    const volume = new StewardVolume(`${name}-volume`, { clusterName, nodeName }, { parent: this });
    const login = { hostName: this.hostName, tag: this.tag, identity: volume.volumeId };
    const key = tailnet.loginKey(`${name}-key`, login, { parent: this });
    this.machine = new StewardMachine(`${name}-machine`, this.machineArgs(args, volume), { parent: this });
    new StewardLogin(
      `${name}-login`,
      {
        nodeName,
        transport: this.machine.transport,
        identity: this.machine.identity,
        files: pulumi.all(tailnet.ownAuthority ? { "boot/ca.pem": tailnet.caCertificate } : {}),
        authKey: pulumi.secret(key.key),
      },
      { parent: this, dependsOn: tailnet.policy, deletedWith: this.machine },
    );

    // The machine's output, not the volume's: what depends on it is then known to go before the machine goes.
    this.identity = this.machine.identity;
    this.transport = this.machine.transport;
    this.podName = this.machine.podName;
    this.registerOutputs({ nodeName, hostName: this.hostName });
  }

  private machineArgs(
    args: StewardNodeArgs,
    volume: StewardVolume,
  ): ConstructorParameters<typeof StewardMachine>[1] {
    const files = volume.volumeName.apply((volumeName) =>
      renderStewardFiles({
        clusterName: args.clusterName,
        nodeName: args.nodeName,
        volumeName,
        loginServer: args.tailnet.loginServer,
        ownAuthority: args.tailnet.ownAuthority,
        images: args.images,
        restrictions: this.restrictions,
        imagesDirectory: args.imagesDirectory,
      }),
    );
    return {
      clusterName: args.clusterName,
      nodeName: args.nodeName,
      site: args.site,
      networkName: args.networkName,
      hostAliases: args.tailnet.hostAliases,
      volumeName: volume.volumeName,
      identity: volume.volumeId,
      stewardImage: args.images.steward,
      ...(args.stewardRevision === undefined ? {} : { stewardRevision: args.stewardRevision }),
      socketDirectory: args.socketDirectory,
      publish:
        this.publishedApi === undefined
          ? []
          : [{ hostPort: this.publishedApi.port, containerPort: k3sPorts.apiServer }],
      files,
      podmanFlags: podmanLimitFlags(this.restrictions),
    };
  }
}

function publishedApi(port: number | undefined): PublishedApi | undefined {
  const address = "127.0.0.1";
  return port === undefined ? undefined : { address, port, url: `https://${address}:${String(port)}` };
}
