/** What the stand-in says and does as the package `tailscale` 0.29.1. */
import type { ProviderPackage } from "../../../../provider/server/package.ts";
import type { Resource } from "../../../../provider/server/resource.ts";
import { configChanges } from "../../shared/provider-config.ts";
import { aclResource } from "./acl.ts";
import { type Connection, TailscaleClient } from "./client.ts";
import { clientSettings, configurationProblems } from "./config.ts";
import { dnsPreferencesResource } from "./dns-preferences.ts";
import { tailnetKeyResource } from "./tailnet-key.ts";

/** Of @pulumi/tailscale, which is made of terraform-provider-tailscale 0.29.2. */
export const TAILSCALE_VERSION = "0.29.1";

export function tailscaleResources(connection: Connection): readonly Resource[] {
  return [tailnetKeyResource(connection), aclResource(connection), dnsPreferencesResource(connection)];
}

/** Its Configure makes the connection's client. */
export function tailscalePackage(
  connection: Connection,
  environment: NodeJS.ProcessEnv = process.env,
): ProviderPackage {
  return {
    name: "tailscale",
    title: "the stand-in for tailscale",
    checkConfig: (news) => ({ inputs: news, problems: configurationProblems(news, environment) }),
    diffConfig: (olds, news) => configChanges(olds, news, []),
    configure(inputs) {
      connection.client = new TailscaleClient(clientSettings(inputs, environment));
    },
  };
}
