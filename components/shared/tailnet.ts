import type * as pulumi from "@pulumi/pulumi";
import type { TailnetRef } from "../../provider/schema/common.ts";

/** What a host needs to enter a tailnet, whoever runs it. */
export interface Tailnet {
  /** MagicDNS domain of all machines. */
  readonly domain: string;
  /** URL machines log in to; "" for Tailscale's own. */
  readonly loginServer: string;
  /** Lines for the machines' hosts file: name -> IPv4. */
  readonly hostAliases: pulumi.Output<Record<string, string>>;
  /** True when the login server's certificate is not of a public CA. */
  readonly ownAuthority: boolean;
  /** CA of the login server, PEM; "" for a public one. */
  readonly caCertificate: pulumi.Output<string>;
  /** Where devices are managed. */
  readonly control: pulumi.Output<TailnetRef>;
  /** Who reaches what in the tailnet: in force before the first machine logs in. */
  readonly policy: pulumi.Resource;
  /**
   * Gone with everything it knew: keys and devices need no deleting of their own when it goes. Undefined for a tailnet
   * that outlives the stack.
   */
  readonly server: pulumi.Resource | undefined;
  /** A key with which exactly one machine logs in, once. Another `identity` is another machine, and another key. */
  loginKey(name: string, args: LoginKeyArgs, options: LoginKeyOptions): LoginKey;
}

/** A tailnet that was there before the stack and outlives it; its nodes are reached over it alone. */
export interface LastingTailnet extends Tailnet {
  readonly server: undefined;
  /** What the cluster needs of the tailnet's policy, HuJSON; a whole policy where it is the only one. */
  readonly policyText: string;
  /** A key for the machine that runs Pulumi, whichever it is: its device is gone when it goes offline. */
  operatorKey(name: string): LoginKey;
}

export interface LoginKeyArgs {
  /** Name the machine logs in with, without the domain. */
  readonly hostName: string;
  /** Tag the machine gets. */
  readonly tag: string;
  /** Id of what makes the machine the one it is. */
  readonly identity: pulumi.Input<string>;
}

export interface LoginKeyOptions {
  /** The host the key is for. */
  readonly parent: pulumi.Resource;
}

export interface LoginKey {
  /** Secret. */
  readonly key: pulumi.Output<string>;
}
