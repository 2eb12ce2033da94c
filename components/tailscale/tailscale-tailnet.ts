import { Acl } from "@pulumi/tailscale/acl.js";
import { DnsPreferences } from "@pulumi/tailscale/dnsPreferences.js";
import { Provider } from "@pulumi/tailscale/provider.js";
import { TailnetKey, type TailnetKeyArgs } from "@pulumi/tailscale/tailnetKey.js";
import * as pulumi from "@pulumi/pulumi";
import type { TailnetRef } from "../../provider/schema/common.ts";
import { TailnetDevice } from "../machine/tailnet-device.ts";
import { operatorHostName, operatorTag } from "../render/names.ts";
import type { PodRoutes } from "../render/pod-network.ts";
import { renderTailscalePolicy } from "../render/tailscale-policy.ts";
import { TailnetPolicyOrigin } from "../machine/tailnet-policy-origin.ts";
import type { LastingTailnet, LoginKey, LoginKeyArgs, LoginKeyOptions } from "../shared/tailnet.ts";

export interface TailscaleTailnetArgs {
  /** Cluster the tailnet is for. */
  readonly clusterName: string;
  /** MagicDNS suffix of the tailnet, such as tail0a1b2c.ts.net. */
  readonly domain: string;
  /** Who may give the cluster's tags to a device: users, groups, autogroups. */
  readonly tagOwners: readonly string[];
  /** Who reaches the API and SSH of the nodes: users, groups, autogroups. */
  readonly admins: readonly string[];
  /**
   * - `own`: the tailnet's policy is the cluster's. Where somebody has written another one it is refused, by
   *   Tailscale: "non-default policy"; merge {@link TailscaleTailnet.policyText} into that one then.
   * - `adopt`: takes the place of whatever policy there is.
   * - `elsewhere`: the policy is kept elsewhere, with {@link TailscaleTailnet.policyText} merged into it.
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
/** The longest life of a key. https://tailscale.com/kb/1085/auth-keys */
const longestLife = 90 * 24 * hour;

/**
 * A tailnet at Tailscale, which outlives the stack. Credentials come from the environment:
 * https://www.pulumi.com/registry/packages/tailscale/installation-configuration/
 */
export class TailscaleTailnet extends pulumi.ComponentResource implements LastingTailnet {
  readonly domain: string;
  readonly loginServer = "";
  readonly hostAliases = pulumi.output<Record<string, string>>({});
  readonly ownAuthority = false;
  readonly caCertificate = pulumi.output("");
  readonly control = pulumi.output<TailnetRef>({ kind: "tailscale", tailnet: "-" });
  readonly server = undefined;
  readonly policy: pulumi.Resource;
  readonly policyText: string;
  readonly #clusterName: string;
  readonly #operatorName: string;
  readonly #provider: Provider;

  constructor(name: string, args: TailscaleTailnetArgs, options: pulumi.ComponentResourceOptions = {}) {
    super("homespan:tailscale:TailscaleTailnet", name, {}, options);
    this.domain = args.domain;
    this.#clusterName = args.clusterName;
    this.#operatorName = args.operatorName ?? operatorHostName(args.clusterName);
    this.policyText = renderTailscalePolicy({ ...args, metricsServer: args.metricsServer ?? false });

    this.#provider = new Provider(`${name}-provider`, {}, { parent: this });
    this.policy = this.#settings(name, args.policy ?? "own");
    this.registerOutputs({ domain: this.domain });
  }

  /** What has to be in force before a machine logs in. */
  #settings(name: string, kind: NonNullable<TailscaleTailnetArgs["policy"]>): pulumi.Resource {
    if (kind === "joined") return this.#provider;
    const inTailnet = { parent: this, provider: this.#provider };
    const dns = new DnsPreferences(
      `${name}-dns`,
      { magicDns: true },
      // Deleting it would switch MagicDNS off for everyone in the tailnet.
      { ...inTailnet, retainOnDelete: true },
    );
    return this.#policy(name, kind, inTailnet) ?? dns;
  }

  loginKey(name: string, args: LoginKeyArgs, { parent }: LoginKeyOptions): LoginKey {
    const { hostName, tag, identity } = args;
    // A device of the same name would give the machine another one: prod-server-1-1.
    const place = new TailnetDevice(
      `${name}-device`,
      { tailnet: this.control, hostName, tag, identity, keySeconds: hour },
      { parent },
    );
    return this.#key(name, parent, {
      description: place.generation.apply((generation) => description(hostName, generation)),
      tags: [tag],
      reusable: false,
      ephemeral: false,
      expiry: hour,
      // It is spent after the first login; whether the machine needs another one is told by its place.
      recreateIfInvalid: "never",
    });
  }

  operatorKey(name: string): LoginKey {
    return this.#key(name, this, {
      description: description(this.#operatorName),
      tags: [operatorTag(this.#clusterName)],
      reusable: true,
      ephemeral: true,
      expiry: longestLife,
      recreateIfInvalid: "always",
    });
  }

  /** Undefined where the policy is kept elsewhere. */
  #policy(
    name: string,
    kind: Exclude<NonNullable<TailscaleTailnetArgs["policy"]>, "joined">,
    options: pulumi.CustomResourceOptions,
  ): Acl | undefined {
    if (kind === "elsewhere") return undefined;
    const adopt = kind === "adopt";
    return new Acl(
      `${name}-policy`,
      {
        acl: this.policyText,
        overwriteExistingContent: adopt || this.#isOwn(`${name}-policy-origin`),
        // What was there before is there again: the default where nothing else was taken over.
        resetAclOnDestroy: !adopt,
      },
      // It counts when the policy is set for the first time: from then on the policy is the cluster's.
      { ...options, ignoreChanges: ["overwriteExistingContent"] },
    );
  }

  /** True where a run that was killed has set the policy, which no state knows of. */
  #isOwn(name: string): pulumi.Output<boolean> {
    const inputs = { tailnet: this.control, clusterName: this.#clusterName };
    return new TailnetPolicyOrigin(name, inputs, { parent: this }).own;
  }

  #key(name: string, parent: pulumi.Resource, args: TailnetKeyArgs): LoginKey {
    return new TailnetKey(
      name,
      { ...args, preauthorized: true },
      // A key can carry only tags that the policy knows.
      { parent, provider: this.#provider, dependsOn: this.policy },
    );
  }
}

/** At most 50 letters, digits, hyphens and spaces; another text is another key. */
function description(...words: readonly string[]): string {
  return words.map((word) => word.slice(0, 37)).join(" ");
}
