/** `tailscale.DnsPreferences`, as tailscale/resource_dns_preferences.go of terraform-provider-tailscale 0.29.2 has it. */
import { randomUUID } from "node:crypto";
import { z } from "zod";
import type { Resource } from "../../../../provider/server/resource.ts";
import { cloudResource } from "../../shared/cloud-resource.ts";
import { type Connection, clientOf } from "./client.ts";

const inputs = z.strictObject({ magicDns: z.boolean() });

export function dnsPreferencesResource(connection: Connection): Resource {
  return cloudResource({
    type: "tailscale:index/dnsPreferences:DnsPreferences",
    inputs,
    outputs: inputs,
    replaceOn: [],
    async create(wanted) {
      await clientOf(connection).setMagicDns(wanted.magicDns);
      return { id: randomUUID(), outputs: wanted };
    },
    read: async () => ({ magicDns: await clientOf(connection).magicDns() }),
    async update(_state, wanted) {
      await clientOf(connection).setMagicDns(wanted.magicDns);
      return wanted;
    },
    delete: () => clientOf(connection).setMagicDns(false),
    import: async () => ({ magicDns: await clientOf(connection).magicDns() }),
  });
}
