import * as pulumi from "@pulumi/pulumi";
import type { HeadscaleServerRef, TailnetRef } from "../../provider/schema/common.ts";
import { TailnetDevice } from "../machine/tailnet-device.ts";
import { renderHeadscalePolicy } from "../render/headscale-policy.ts";
import { operatorHostName, operatorTag } from "../render/names.ts";
import type { PodRoutes } from "../render/pod-network.ts";
import type { LastingTailnet, LoginKey, LoginKeyArgs, LoginKeyOptions } from "../shared/tailnet.ts";
import { HeadscaleKey } from "./headscale-key.ts";
import { HeadscalePolicy } from "./headscale-policy.ts";
import { HeadscaleUser } from "./headscale-user.ts";

export interface GivenHeadscaleTailnetArgs {
  /** Cluster the tailnet is for. */
  readonly clusterName: string;
  /** Of the server, without a slash at its end: https://headscale.example.com. */
  readonly url: string;
  /** The server's `dns.base_domain`. */
  readonly domain: string;
  /** CA of the server's certificate, PEM; "" for a public one. */
  readonly caCertificate: string;
  /** Headscale user that owns the cluster's keys and tags; made where there is none. */
  readonly user: string;
  /** Who reaches the API and SSH of the nodes: users, groups. */
  readonly admins: readonly string[];
  /**
   * - `own`: the tailnet's policy is the cluster's. Where somebody has written another one it is refused; merge
   *   {@link GivenHeadscaleTailnet.policyText} into that one then.
   * - `adopt`: takes the place of whatever policy there is.
   * - `elsewhere`: the policy is kept elsewhere, with {@link GivenHeadscaleTailnet.policyText} merged into it.
   * - `joined`: another stack of the same cluster looks after the tailnet; this one makes keys, and sets nothing.
   *
   * @default own
   */
  readonly policy?: "own" | "adopt" | "elsewhere" | "joined";
  /**
   * Name in the tailnet of the machine that runs Pulumi.
   *
   * @default the cluster's operator
   */
  readonly operatorName?: string;
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
}

const hour = 3600;
const operatorKeyLife = 90 * 24 * hour;

/**
 * A tailnet at a Headscale server that somebody runs already, and that outlives the stack. Its API key comes from the
 * environment: HEADSCALE_API_KEY.
 */
export class GivenHeadscaleTailnet extends pulumi.ComponentResource implements LastingTailnet {
  readonly domain: string;
  readonly loginServer: string;
  readonly hostAliases = pulumi.output<Record<string, string>>({});
  readonly ownAuthority: boolean;
  readonly caCertificate: pulumi.Output<string>;
  readonly control: pulumi.Output<TailnetRef>;
  readonly server = undefined;
  readonly policy: pulumi.Resource;
  readonly policyText: string;
  readonly #ref: HeadscaleServerRef;
  readonly #clusterName: string;
  readonly #operatorName: string;
  readonly #user: string;

  constructor(name: string, args: GivenHeadscaleTailnetArgs, options: pulumi.ComponentResourceOptions = {}) {
    super("homespan:headscale:GivenHeadscaleTailnet", name, {}, options);
    const { clusterName, url, caCertificate, user } = args;
    this.domain = args.domain;
    this.loginServer = url;
    this.ownAuthority = caCertificate !== "";
    this.caCertificate = pulumi.output(caCertificate);
    this.#clusterName = clusterName;
    this.#operatorName = args.operatorName ?? operatorHostName(clusterName);
    this.#user = user;
    this.#ref = { kind: "headscale-server", url, caCertificate };
    this.control = pulumi.output<TailnetRef>(this.#ref);
    this.policyText = renderHeadscalePolicy({
      ...{ clusterName, user, admins: args.admins },
      metricsServer: args.metricsServer ?? false,
      podRoutes: args.podRoutes,
      tests: "resolvable",
    });

    const owner = new HeadscaleUser(
      `${name}-user`,
      { headscale: this.#ref, clusterName, name: user },
      { parent: this },
    );
    this.policy = this.#policy(`${name}-policy`, args.policy ?? "own", owner);
    this.registerOutputs({ domain: this.domain, loginServer: this.loginServer });
  }

  loginKey(name: string, args: LoginKeyArgs, { parent }: LoginKeyOptions): LoginKey {
    const { hostName, tag, identity } = args;
    // A device of the same name would give the machine another one; and what it leaves goes with it.
    const place = new TailnetDevice(
      `${name}-device`,
      { tailnet: this.control, hostName, tag, identity, keySeconds: hour },
      { parent },
    );
    return this.#key(name, parent, {
      ...{ hostName, tags: [tag], expirySeconds: hour, shared: false },
      identity: place.generation,
    });
  }

  operatorKey(name: string): LoginKey {
    return this.#key(name, this, {
      ...{ hostName: this.#operatorName, tags: [operatorTag(this.#clusterName)] },
      ...{ expirySeconds: operatorKeyLife, shared: true, identity: "operator" },
    });
  }

  #policy(
    name: string,
    kind: NonNullable<GivenHeadscaleTailnetArgs["policy"]>,
    owner: HeadscaleUser,
  ): pulumi.Resource {
    if (kind === "elsewhere" || kind === "joined") return owner;
    return new HeadscalePolicy(
      name,
      {
        headscale: this.#ref,
        policy: this.policyText,
        ownedBy: this.#clusterName,
        adopt: kind === "adopt",
      },
      // The user is named in it, and goes after it.
      { parent: this, dependsOn: owner },
    );
  }

  #key(
    name: string,
    parent: pulumi.Resource,
    args: Omit<ConstructorParameters<typeof HeadscaleKey>[1], "headscale" | "user">,
  ): LoginKey {
    return new HeadscaleKey(
      name,
      { ...args, headscale: this.#ref, user: this.#user },
      { parent, dependsOn: this.policy },
    );
  }
}
