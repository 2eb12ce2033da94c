/** The configuration of the lightsail stack, field by field; every message completes "`field` must". */
import { z } from "zod";
import {
  lightsailBlueprintIds,
  lightsailQuotas,
  lightsailRegionNames,
  snapshotTimePattern,
} from "../components/upstream/lightsail.ts";
import type { CoreosNodeFields } from "./coreos-schema.ts";
import type { ExistingNodeFields } from "./existing-schema.ts";
import { alternatives } from "./grammar.ts";
import { homeFields, nodeOfKind, type LimaNodeFields, type VmNodeFields } from "./home-schema.ts";
import { machineKeysAt } from "./machine-keys.ts";
import {
  auditLog,
  disable,
  extraConfig,
  k3sVersion,
  machineNode,
  name,
  podNetwork,
  podSecurity,
  registryMirrors,
  text,
  timeToLive,
  wholeNumber,
} from "./schema-pieces.ts";
import { snapshots } from "./snapshots-schema.ts";
import { tailnet } from "./tailnet-schema.ts";

const { diskGiB } = lightsailQuotas;

const node = machineNode({
  /** Size, and with it the price. Another one replaces the instance. */
  bundleId: text("be the id of a Lightsail bundle such as large_3_0"),
  /** Operating system. Another one replaces the instance. */
  blueprintId: z
    .enum(lightsailBlueprintIds, { error: `be ${alternatives(lightsailBlueprintIds)}` })
    .default("debian_12"),
  /** @default the stack's `availabilityZone` */
  availabilityZone: text("be an Availability Zone such as eu-central-1a").optional(),
  /** Size of an extra disk for /data, which outlives the instance. @default no extra disk */
  diskGiB: wholeNumber(
    diskGiB.min,
    diskGiB.max,
    `be a whole number of GiB from ${String(diskGiB.min)} to ${String(diskGiB.max)}`,
  ).optional(),
  /** Hour of the daily snapshot of the whole instance, UTC. @default none */
  snapshotTime: text("be text: put quotes around it")
    .regex(snapshotTimePattern, { error: "be a full hour such as 03:00" })
    .optional(),
});
const nodeKeys = Object.keys(node);
const elsewhere = (what: string): z.ZodOptional<z.ZodUndefined> =>
  z
    .undefined({
      error: `be left out: servers stand in one region of Lightsail, as etcd does not bear the way between two sites; ${what} can be an agent`,
    })
    .optional();
const server = z.strictObject(
  {
    ...node,
    existing: elsewhere("an existing machine"),
    vm: elsewhere("a virtual machine at home"),
    lima: elsewhere("a virtual machine on the Mac"),
    coreos: elsewhere("a machine with Fedora CoreOS"),
  },
  { error: "be a mapping with bundleId" },
);
const servers = z
  .array(server, { error: "be a list of servers, each with its bundleId" })
  .transform((list) => list.map(({ existing: _1, vm: _2, lima: _3, coreos: _4, ...fields }) => fields));
const agentKeys = [...nodeKeys, "vm", "lima", "existing", "coreos"];
type AgentFields =
  LightsailNodeFields | VmNodeFields | LimaNodeFields | ExistingNodeFields | CoreosNodeFields;
const agents = z
  .array(
    nodeOfKind<AgentFields>(
      z.strictObject(node, { error: "be a mapping with bundleId, or with vm, lima, existing or coreos" }),
    ),
    { error: "be a list of agents, each with its bundleId, or with vm, lima, existing or coreos" },
  )
  .default([]);

const port = "be a port from 1 to 65535";
const extraPort = {
  fromPort: wholeNumber(1, 65535, port),
  /** @default fromPort */
  toPort: wholeNumber(1, 65535, port).optional(),
  protocol: z.enum(["tcp", "udp"], { error: "be tcp or udp" }),
  /** Who may connect. */
  cidrs: z
    .array(text("be an IPv4 network such as 203.0.113.0/24"), { error: "be a list of networks" })
    .min(1, { error: "be a list of at least one network" })
    .default(["0.0.0.0/0"]),
};

/** One entry per key of the namespace; a key that is none of these is an error. */
export const lightsailFields = {
  /** Which program to run. @default the stack's name */
  topology: z.string().optional(),
  /** Prefix of everything the cluster owns. @default the stack's name */
  clusterName: name(),
  /** Where all instances stand. */
  region: z.enum(lightsailRegionNames, {
    error: `be a region that offers Lightsail (${lightsailRegionNames.join(", ")})`,
  }),
  /** Of nodes that name none. @default the region's first */
  availabilityZone: text("be an Availability Zone such as eu-central-1a").optional(),
  servers,
  agents,
  ...homeFields,
  /** Who may reach SSH on the public addresses: the machine that runs Pulumi among them, the tailnet's admins always. */
  sshAllowedCidrs: z
    .array(text("be an IPv4 network such as 203.0.113.7/32"), {
      error: "be a list of networks that may connect by SSH",
    })
    .min(1, { error: "name the network of the machine that runs Pulumi: nodes are configured by SSH" }),
  /** Why SSH is open to everyone. */
  sshOpenReason: text("be text")
    .refine((it) => it.trim().length >= 10, { error: "be a sentence that says why" })
    .optional(),
  /** Opens 80 and 443 and lets only servers answer there. */
  ingress: z.boolean({ error: "be true or false" }).default(false),
  /** Opened on every instance beside SSH, Tailscale and the ingress. */
  extraPorts: z
    .array(z.strictObject(extraPort, { error: "be a mapping with fromPort and protocol" }), {
      error: "be a list of ports",
    })
    .default([]),
  k3sVersion,
  tailnet,
  snapshots,
  podSecurity,
  auditLog,
  /** Secret. Of `snapshots.bucket` with kind s3. */
  s3SecretAccessKey: text("be text")
    .min(1, { error: "be the secret of `snapshots.bucket.accessKeyId`" })
    .optional(),
  /** @default nothing with `ingress`, else traefik and servicelb */
  disable: disable.optional(),
  timeToLive,
  podNetwork,
  registryMirrors,
  extraConfig,
} as const;

/** Keys whose text is taken as it is; the others hold JSON. */
export const lightsailTextKeys: readonly string[] = [
  "topology",
  "clusterName",
  "region",
  "availabilityZone",
  "sshOpenReason",
  "k3sVersion",
  "s3SecretAccessKey",
  "timeToLive",
  "podNetwork",
];

export type LightsailFields = {
  readonly [Key in keyof typeof lightsailFields]: z.output<(typeof lightsailFields)[Key]>;
};
export type LightsailBucket = LightsailFields["snapshots"]["bucket"];
export type LightsailNodeFields = z.output<z.ZodObject<typeof node>>;
export type LightsailTailnet = LightsailFields["tailnet"];

/** Keys of the strict objects below the top level. */
export function lightsailKeysAt(path: readonly PropertyKey[], value: unknown): readonly string[] {
  switch (path[0]) {
    case "servers":
      return nodeKeys;
    case "extraPorts":
      return Object.keys(extraPort);
    default:
      return machineKeysAt(path, value, agentKeys);
  }
}
