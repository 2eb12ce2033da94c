/** `tailscale.Acl`, as tailscale/resource_acl.go of terraform-provider-tailscale 0.29.2 has it. */
import { randomUUID } from "node:crypto";
import { z } from "zod";
import type { Resource } from "../../../../provider/server/resource.ts";
import { UNKNOWN } from "../../../../provider/server/values.ts";
import { cloudResource } from "../../shared/cloud-resource.ts";
import { parseHujson, sameHujson } from "../hujson.ts";
import { type Connection, TailscaleError, clientOf } from "./client.ts";

const inputs = z.strictObject({
  acl: z.string(),
  overwriteExistingContent: z.boolean().optional(),
  resetAclOnDestroy: z.boolean().optional(),
});

/** Matches a policy that was never changed. https://tailscale.com/api#tag/policyfile */
const UNTOUCHED = "ts-default";

export function aclResource(connection: Connection): Resource {
  return cloudResource({
    type: "tailscale:index/acl:Acl",
    inputs,
    outputs: inputs,
    replaceOn: [],
    same: {
      acl: (state, news) => typeof state === "string" && typeof news === "string" && sameHujson(state, news),
    },
    problems: ({ acl }) => (typeof acl === "string" && acl !== UNKNOWN ? hujsonProblems(acl) : []),
    async create(wanted) {
      try {
        await clientOf(connection).setPolicy(
          wanted.acl,
          wanted.overwriteExistingContent === true ? "" : UNTOUCHED,
        );
      } catch (error) {
        if (error instanceof TailscaleError && error.status === 412) {
          throw new Error(
            "Overwrite Protected: You are trying to overwrite a non-default policy. Please import the ACL first or set overwrite_existing_content = true.",
            { cause: error },
          );
        }
        throw failure("Failed to set ACL", error);
      }
      return { id: randomUUID(), outputs: wanted };
    },
    read: async (state) => ({ ...state, acl: await clientOf(connection).policy() }),
    async update(_state, wanted) {
      try {
        await clientOf(connection).setPolicy(wanted.acl, "");
      } catch (error) {
        throw failure("Failed to update ACL", error);
      }
      return wanted;
    },
    async delete(state) {
      // Every tailnet has a policy: without being told to, nothing changes it.
      if (state.resetAclOnDestroy === true) await clientOf(connection).setPolicy("", "");
    },
    import: async () => ({ acl: await clientOf(connection).policy() }),
  });
}

function hujsonProblems(acl: string): readonly string[] {
  try {
    parseHujson(acl);
    return [];
  } catch (error) {
    return [`\`acl\` must be HuJSON, got ${error instanceof Error ? error.message : String(error)}`];
  }
}

function failure(title: string, error: unknown): Error {
  return new Error(`${title}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
}
