import type * as pulumi from "@pulumi/pulumi";
import type { HeadscaleRef } from "../../provider/schema/common.ts";

/** What a host needs to enter a tailnet, whoever runs it. */
export interface Tailnet {
  /** MagicDNS domain of all machines. */
  readonly domain: string;
  /** URL machines log in to. */
  readonly loginServer: string;
  /** Lines for the machines' hosts file: name -> IPv4. */
  readonly hostAliases: pulumi.Output<Record<string, string>>;
  /** CA of the login server, PEM. */
  readonly caCertificate: pulumi.Output<string>;
  /** Owner of the machines' tags. */
  readonly user: string;
  /** Where devices and keys are managed. */
  readonly control: pulumi.Output<HeadscaleRef>;
  /** Gone with everything it knew: keys and devices need no deleting of their own when it goes. */
  readonly server: pulumi.Resource;
  /** Who reaches what in the tailnet: in force before the first machine logs in. */
  readonly policy: pulumi.Resource;
}
