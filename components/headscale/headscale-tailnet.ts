import * as pulumi from "@pulumi/pulumi";
import type { HeadscaleRef } from "../../provider/schema/common.ts";
import { hostAddress } from "../render/address.ts";
import { loginServer, renderHeadscaleConfig } from "../render/headscale-config.ts";
import { renderHeadscalePolicy } from "../render/headscale-policy.ts";
import { controlHostName, tailnetDomain } from "../render/names.ts";
import type { PodRoutes } from "../render/pod-network.ts";
import type { LoginKeyArgs, LoginKeyOptions, Tailnet } from "../shared/tailnet.ts";
import { HeadscaleKey } from "./headscale-key.ts";
import { HeadscalePolicy } from "./headscale-policy.ts";
import { HeadscaleServer } from "./headscale-server.ts";

export interface HeadscaleTailnetArgs {
  /** Cluster the tailnet is for; it is the only one in it. */
  readonly clusterName: string;
  /** Network the control server lives in. */
  readonly network: { readonly networkName: pulumi.Input<string>; readonly subnet: pulumi.Input<string> };
  /** Image of Headscale. */
  readonly image: string;
  /**
   * Whether metrics-server runs on the cluster: it reaches kubelets from any node.
   *
   * @default false
   */
  readonly metricsServer?: boolean;
  /**
   * Pods without VXLAN, each node a route to its own.
   *
   * @default VXLAN
   */
  readonly podRoutes?: PodRoutes | undefined;
  /**
   * Number of the control server's address in its subnet: fixed, so that nodes find it again after it was re-created.
   *
   * @default 10
   */
  readonly addressNumber?: number;
}

/** Owner of the machines' tags. */
const user = "homespan";

/** A tailnet of one cluster, run by a Headscale server of its own with TLS and a relay. */
export class HeadscaleTailnet extends pulumi.ComponentResource implements Tailnet {
  readonly domain: string;
  readonly loginServer: string;
  readonly hostAliases: pulumi.Output<Record<string, string>>;
  readonly ownAuthority = true;
  readonly caCertificate: pulumi.Output<string>;
  readonly control: pulumi.Output<HeadscaleRef>;
  readonly server: HeadscaleServer;
  readonly policy: HeadscalePolicy;

  constructor(name: string, args: HeadscaleTailnetArgs, options: pulumi.ComponentResourceOptions = {}) {
    super("homespan:headscale:HeadscaleTailnet", name, {}, options);
    const hostName = controlHostName(args.clusterName);
    const address = pulumi
      .output(args.network.subnet)
      .apply((it) => hostAddress(it, args.addressNumber ?? 10));
    this.domain = tailnetDomain(args.clusterName);
    this.loginServer = loginServer(hostName);

    this.server = new HeadscaleServer(
      `${name}-server`,
      {
        clusterName: args.clusterName,
        networkName: args.network.networkName,
        address,
        hostName,
        image: args.image,
        config: address.apply((it) =>
          renderHeadscaleConfig({ controlHostName: hostName, address: it, domain: this.domain }),
        ),
        user,
      },
      { parent: this },
    );
    this.control = this.server.container.apply((container) => ({ kind: "headscale" as const, container }));
    this.policy = new HeadscalePolicy(
      `${name}-policy`,
      {
        headscale: this.control,
        policy: renderHeadscalePolicy({
          clusterName: args.clusterName,
          user,
          metricsServer: args.metricsServer ?? false,
          podRoutes: args.podRoutes,
          tests: "resolvable",
        }),
      },
      { parent: this, deletedWith: this.server },
    );

    this.hostAliases = address.apply((it) => ({ [hostName]: it }));
    this.caCertificate = this.server.caCertificate;
    this.registerOutputs({ domain: this.domain, loginServer: this.loginServer });
  }

  loginKey(name: string, args: LoginKeyArgs, options: LoginKeyOptions): HeadscaleKey {
    const { hostName, tag, identity } = args;
    return new HeadscaleKey(
      name,
      { headscale: this.control, user, hostName, tags: [tag], identity },
      { ...options, deletedWith: this.server },
    );
  }
}
