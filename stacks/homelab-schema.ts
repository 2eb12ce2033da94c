/** The configuration of the homelab stack, field by field; every message completes "`field` must". */
import { z } from "zod";
import { coreosNode, type CoreosNodeFields } from "./coreos-schema.ts";
import type { ExistingNodeFields } from "./existing-schema.ts";
import {
  homeFields,
  kindOf,
  nodeOf,
  nodeOfKind,
  vmNode,
  type LimaNodeFields,
  type VmNodeFields,
} from "./home-schema.ts";
import { machineKeysAt } from "./machine-keys.ts";
import {
  auditLog,
  disable,
  extraConfig,
  k3sVersion,
  name,
  podNetwork,
  podSecurity,
  registryMirrors,
  text,
  timeToLive,
} from "./schema-pieces.ts";
import { homeSnapshots } from "./snapshots-schema.ts";
import { tailnet } from "./tailnet-schema.ts";

const notAServer = (what: string): z.ZodOptional<z.ZodUndefined> =>
  z
    .undefined({
      error: `be left out: servers are virtual machines on libvirt or machines with Fedora CoreOS; ${what} can be an agent`,
    })
    .optional();
const noServers = { lima: notAServer("a machine of Lima's"), existing: notAServer("an existing machine") };
const server = { error: "be a mapping with vm or coreos" };
const vmServer = z.strictObject({ ...vmNode, ...noServers }, server);
const coreosServer = z.strictObject({ ...coreosNode, ...noServers }, server);
type ServerFields = VmNodeFields | CoreosNodeFields;
const servers = z
  .array(
    nodeOf<ServerFields>((given) => (kindOf(given)?.key === "coreos" ? coreosServer : vmServer)),
    { error: "be a list of servers, each with vm or coreos" },
  )
  .default([]);

type AgentFields = VmNodeFields | LimaNodeFields | ExistingNodeFields | CoreosNodeFields;
const kinds = "vm, lima, existing or coreos";
const noKind = z.custom<never>(() => false, { error: `be a mapping with ${kinds}` });
const agents = z
  .array(nodeOfKind<AgentFields>(noKind), { error: `be a list of agents, each with ${kinds}` })
  .default([]);

const joinRule = "be the name of a stack such as lightsail, or organization/project/stack";

/** One entry per key of the namespace; a key that is none of these is an error. */
export const homelabFields = {
  /** Which program to run. @default the stack's name */
  topology: z.string().optional(),
  /** Prefix of everything the cluster owns; with `join` the joined cluster's. @default the stack's name */
  clusterName: name(),
  /** The stack whose cluster the agents join. @default none: a cluster of its own */
  join: text(joinRule)
    .regex(/^[A-Za-z0-9_.-]+(\/[A-Za-z0-9_.-]+\/[A-Za-z0-9_.-]+)?$/, { error: joinRule })
    .optional(),
  servers,
  agents,
  ...homeFields,
  k3sVersion,
  tailnet: tailnet.optional(),
  snapshots: homeSnapshots,
  podSecurity,
  auditLog,
  /** Secret. Of `snapshots.bucket` with kind s3. */
  s3SecretAccessKey: text("be text")
    .min(1, { error: "be the secret of `snapshots.bucket.accessKeyId`" })
    .optional(),
  /** @default traefik and servicelb */
  disable: disable.default(["traefik", "servicelb"]),
  timeToLive,
  podNetwork,
  registryMirrors,
  extraConfig,
} as const;

/** Keys whose text is taken as it is; the others hold JSON. */
export const homelabTextKeys: readonly string[] = [
  "topology",
  "clusterName",
  "join",
  "k3sVersion",
  "s3SecretAccessKey",
  "timeToLive",
  "podNetwork",
];

export type HomelabFields = {
  readonly [Key in keyof typeof homelabFields]: z.output<(typeof homelabFields)[Key]>;
};

/** Keys of the strict objects below the top level. */
export function homelabKeysAt(path: readonly PropertyKey[], value: unknown): readonly string[] {
  return machineKeysAt(path, value, Object.keys(vmNode));
}
