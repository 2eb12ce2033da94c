/** What of a stack is billed, from what `pulumi preview --json` says would exist before and after. Pure. */
import { z } from "zod";
import type { PricedResource } from "../components/render/costs.ts";

const state = z.object({ type: z.string(), inputs: z.record(z.string(), z.unknown()).optional() });
type State = z.infer<typeof state>;
const previewSchema = z.object({
  steps: z
    .array(
      z.object({
        op: z.string(),
        urn: z.string(),
        oldState: state.optional(),
        newState: state.optional(),
      }),
    )
    .default([]),
});

export interface PricedStack {
  /** What exists now. */
  readonly current: readonly PricedResource[];
  /** What exists after `up`. */
  readonly planned: readonly PricedResource[];
}

/** A `pulumi preview --json --show-sames` of the stack. */
export function pricedStack(previewJson: string): PricedStack {
  const { steps } = previewSchema.parse(JSON.parse(previewJson.slice(previewJson.indexOf("{"))));
  const current = new Map<string, State>();
  const planned = new Map<string, State>();
  for (const { op, urn, oldState, newState } of steps) {
    // The three steps of a replacement name both states; only the first and the last of them say what there is.
    if (oldState !== undefined && op !== "create") current.set(urn, oldState);
    if (newState !== undefined && !op.startsWith("delete") && op !== "discard") planned.set(urn, newState);
  }
  return { current: priced(current), planned: priced(planned) };
}

const lightsail = "aws:lightsail/";
const staticIp = `${lightsail}staticIp:StaticIp`;

/** Types of AWS that are never billed. */
const free: readonly string[] = [
  "instancePublicPorts:InstancePublicPorts",
  "keyPair:KeyPair",
  "staticIpAttachment:StaticIpAttachment",
  "disk_attachment:Disk_attachment",
  "bucketAccessKey:BucketAccessKey",
  "bucketResourceAccess:BucketResourceAccess",
].map((type) => `${lightsail}${type}`);

function priced(states: ReadonlyMap<string, State>): PricedResource[] {
  const named = [...states].map(([urn, { type, inputs = {} }]) => ({
    type,
    inputs,
    name: text(inputs["name"]) ?? urn.slice(urn.lastIndexOf("::") + 2),
  }));
  const addresses = named.filter(({ type }) => type === staticIp).map(({ name }) => name);
  const attached = named
    .filter(({ type }) => type === `${lightsail}staticIpAttachment:StaticIpAttachment`)
    .map(({ inputs }) => text(inputs["staticIpName"]) ?? "");
  // An attachment that names none of them has a name that is known only after `up`; it is there for one of them.
  const known = attached.every((name) => addresses.includes(name));
  return named.flatMap((it) => resources(it, (name) => !known || attached.includes(name)));
}

interface Named {
  readonly type: string;
  readonly name: string;
  readonly inputs: Readonly<Record<string, unknown>>;
}

function resources({ type, name, inputs }: Named, isAttached: (name: string) => boolean): PricedResource[] {
  const bundleId = text(inputs["bundleId"]) ?? "unknown bundle";
  switch (type) {
    case `${lightsail}instance:Instance`:
      return [
        { type: "instance", name, bundleId },
        ...(hasSnapshots(inputs["addOn"]) ? [{ type: "snapshots", name } as const] : []),
      ];
    case `${lightsail}disk:Disk`:
      return [{ type: "disk", name, diskGiB: Number(inputs["sizeInGb"]) }];
    case `${lightsail}bucket:Bucket`:
      return [{ type: "bucket", name, bundleId }];
    case staticIp:
      return [{ type: "staticIp", name, attached: isAttached(name) }];
    default:
      return type.startsWith("aws:") && !free.includes(type) ? [{ type: "other", name, what: type }] : [];
  }
}

const addOnSchema = z.object({ type: z.literal("AutoSnapshot"), status: z.literal("Enabled") });

function hasSnapshots(addOn: unknown): boolean {
  return addOnSchema.safeParse(addOn).success;
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
