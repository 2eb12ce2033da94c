/** `tailscale.TailnetKey`, as tailscale/resource_tailnet_key.go of terraform-provider-tailscale 0.29.2 has it. */
import { z } from "zod";
import type { Resource } from "../../../../provider/server/resource.ts";
import { sameValue, unwrapAll } from "../../../../provider/server/values.ts";
import { cloudResource, sameSet } from "../../shared/cloud-resource.ts";
import { type ApiKey, type Connection, clientOf } from "./client.ts";

const given = {
  reusable: z.boolean().optional(),
  ephemeral: z.boolean().optional(),
  tags: z.array(z.string()).optional(),
  preauthorized: z.boolean().optional(),
  /** Seconds. */
  expiry: z.number().int().optional(),
  description: z.string().max(50).optional(),
  recreateIfInvalid: z.enum(["", "always", "never"]).optional(),
  userId: z.string().optional(),
};
const inputs = z.strictObject(given);
const outputs = inputs.extend({
  key: z.string(),
  createdAt: z.string(),
  expiresAt: z.string(),
  invalid: z.boolean(),
});
type State = z.output<typeof outputs>;

/** What an input that the program leaves out is. */
const defaults = { reusable: false, ephemeral: false, tags: [], preauthorized: false, description: "" };

export function tailnetKeyResource(connection: Connection): Resource {
  const base = cloudResource({
    type: "tailscale:index/tailnetKey:TailnetKey",
    inputs,
    outputs,
    secretOutputs: ["key"],
    replaceOn: ["reusable", "ephemeral", "tags", "preauthorized", "expiry", "description"],
    computed: ["expiry", "userId"],
    same: {
      reusable: orDefault("reusable"),
      ephemeral: orDefault("ephemeral"),
      tags: (state, news) => sameSet(state, news ?? defaults.tags),
      preauthorized: orDefault("preauthorized"),
      description: orDefault("description"),
    },
    async create(wanted) {
      const made = await clientOf(connection).createKey({
        ...{ ...defaults, ...withoutGaps(wanted) },
        expirySeconds: wanted.expiry ?? 0,
      });
      return { id: made.id, outputs: { ...wanted, ...found(made), key: made.key } };
    },
    async read(state, id) {
      const key = await clientOf(connection).key(id);
      // A used key is no longer there; that does not take the resource out of the state.
      return key === undefined ? { ...state, invalid: true } : { ...state, ...found(key) };
    },
    // All that can change without another key is what to do when it is invalid.
    update: (state, wanted) => Promise.resolve({ ...state, ...wanted, userId: state.userId }),
    delete: (_state, id) => clientOf(connection).deleteKey(id),
    async import(id) {
      const key = await clientOf(connection).key(id);
      // The key itself is told once, when it is made.
      return key === undefined ? undefined : { ...found(key), key: "" };
    },
  });
  return {
    ...base,
    diff(state, news) {
      const changes = base.diff(state, news);
      const { invalid, reusable } = unwrapAll(state);
      const wanted = unwrapAll(news)["recreateIfInvalid"];
      const again = wanted === "always" || (wanted !== "never" && reusable === true);
      if (invalid !== true || !again) return changes;
      return [...changes, { path: "invalid", kind: "update", replace: true, input: false }];
    },
  };
}

function orDefault(name: keyof typeof defaults): (state: unknown, news: unknown) => boolean {
  return (state, news) => sameValue(state ?? defaults[name], news ?? defaults[name]);
}

function found(key: ApiKey): Omit<State, "key" | "recreateIfInvalid"> {
  const { reusable, ephemeral, preauthorized, tags } = key.capabilities.devices.create;
  return {
    ...{ reusable, ephemeral, preauthorized, tags },
    expiry: key.expirySeconds,
    description: key.description,
    createdAt: key.created,
    expiresAt: key.expires,
    invalid: key.invalid,
    userId: key.userId,
  };
}

interface Wanted {
  readonly reusable: boolean;
  readonly ephemeral: boolean;
  readonly tags: readonly string[];
  readonly preauthorized: boolean;
  readonly description: string;
}

function withoutGaps(wanted: z.output<typeof inputs>): Partial<Wanted> {
  const { reusable, ephemeral, tags, preauthorized, description } = wanted;
  return {
    ...(reusable === undefined ? {} : { reusable }),
    ...(ephemeral === undefined ? {} : { ephemeral }),
    ...(tags === undefined ? {} : { tags }),
    ...(preauthorized === undefined ? {} : { preauthorized }),
    ...(description === undefined ? {} : { description }),
  };
}
