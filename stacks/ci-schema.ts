/** The configuration of the ci stack, field by field; every message completes "`field` must". */
import { z } from "zod";
import { nameSchema } from "../provider/schema/common.ts";
import { datastores, packagedComponents } from "../components/upstream/k3s.ts";
import { durationPattern } from "./duration.ts";
import { alternatives } from "./grammar.ts";

const labelName = /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const labelPrefix = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

function isLabelKey(key: string): boolean {
  const [name, prefix, ...rest] = key.split("/").reverse();
  const prefixOk = prefix === undefined || (labelPrefix.test(prefix) && prefix.length <= 253);
  return rest.length === 0 && prefixOk && labelName.test(name ?? "");
}

function isTaint(text: string): boolean {
  const match = /^([^=:]+)(?:=([^=:]*))?:(NoSchedule|PreferNoSchedule|NoExecute)$/.exec(text);
  const value = match?.[2] ?? "";
  return match !== null && isLabelKey(match[1] ?? "") && (value === "" || labelName.test(value));
}

const wholeNumber = (from: number, to: number, rule: string): z.ZodNumber =>
  z.number({ error: rule }).int({ error: rule }).min(from, { error: rule }).max(to, { error: rule });

const scalar = z.union([z.string(), z.number(), z.boolean()], { error: "be text, a number or true/false" });
const options = z
  .record(
    z
      .string()
      .regex(/^[a-z][a-z0-9-]*\+?$/, { error: "be a k3s option by its long name, without leading dashes" }),
    z.union([scalar, z.array(scalar)], { error: "be text, a number, true/false or a list of these" }),
    { error: "be a mapping of k3s options" },
  )
  .default({});

const text = (rule: string): z.ZodString => z.string({ error: rule });

const labels = z
  .record(
    z.string().refine(isLabelKey, { error: "be a Kubernetes label key such as example.com/rack" }),
    text("be text: put quotes around it").refine((value) => value === "" || labelName.test(value), {
      error: "be a Kubernetes label value: at most 63 letters, digits, '-', '_' or '.'",
    }),
    { error: "be a mapping of labels" },
  )
  .default({});

const node = z.strictObject(
  {
    /** Labels beside those of the topology; a change reaches the Node without a restart. */
    labels,
    /** Set when the node registers. */
    taints: z
      .array(
        text("be text").refine(isTaint, {
          error: "be key=value:Effect with NoSchedule, PreferNoSchedule or NoExecute",
        }),
        {
          error: "be a list of taints",
        },
      )
      .default([]),
    /** A change restarts k3s on the node. */
    kubeletArgs: z
      .array(
        text("be text").regex(/^[a-z][a-z0-9-]*=.+$/s, { error: "be name=value, without leading dashes" }),
        { error: "be a list of kubelet arguments" },
      )
      .default([]),
  },
  { error: "be a mapping with labels, taints or kubeletArgs" },
);

const serverCounts: readonly number[] = [1, 3];
const name = "be at most 40 lower-case letters, digits and inner hyphens";

/** One entry per key of the namespace; a key that is none of these is an error. */
export const ciFields = {
  /** Which program to run. @default the stack's name */
  topology: z.string().optional(),
  /** Prefix of everything the cluster owns. @default the stack's name */
  clusterName: z.string({ error: name }).refine((it) => nameSchema.safeParse(it).success, { error: name }),
  /** k3s servers, all on the site `cloud`. */
  servers: z
    .number({ error: "be 1 or 3" })
    .refine((it) => serverCounts.includes(it), {
      error: "be 1 or 3: two or four etcd members survive no more losses than one or three",
    })
    .default(1),
  /** k3s agents, all on the site `home`. */
  agents: wholeNumber(0, 100, "be a whole number from 0 to 100").default(2),
  /** Release of k3s; the node image carries it as its tag. */
  k3sVersion: text("be text")
    .regex(/^v\d+\.\d+\.\d+(-rc\d+)?\+k3s\d+$/, { error: "be a k3s release such as v1.35.1+k3s1" })
    .optional(),
  /** @default sqlite for one server, etcd for three */
  datastore: z.enum(datastores, { error: `be ${alternatives(datastores)}` }).optional(),
  /** Packaged components k3s leaves out. */
  disable: z
    .array(z.enum(packagedComponents, { error: `be ${alternatives(packagedComponents)}` }), {
      error: "be a list of k3s's packaged components",
    })
    .default(["traefik", "servicelb", "metrics-server", "local-storage"]),
  /** Life of the cluster from its creation; outputs name the end. @default without end */
  timeToLive: text("be text")
    .regex(durationPattern, { error: "be a number of minutes, hours or days such as 90m, 2h or 7d" })
    .optional(),
  /** Port on 127.0.0.1 of the first server's API; server i has the i-th one from it. */
  apiPort: wholeNumber(1, 65535, "be a port from 1 to 65535").default(6443),
  /** What is particular to single nodes, by name. */
  nodes: z.record(z.string(), node, { error: "be a mapping of node names" }).default({}),
  /** Any k3s option the topology does not own. */
  extraConfig: z
    .strictObject({ server: options, agent: options }, { error: "be a mapping with server or agent" })
    .default({ server: {}, agent: {} }),
} as const;

/** Keys whose text is taken as it is; the others hold JSON. */
export const textKeys: readonly string[] = [
  "topology",
  "clusterName",
  "k3sVersion",
  "datastore",
  "timeToLive",
];

export type CiFields = { readonly [Key in keyof typeof ciFields]: z.output<(typeof ciFields)[Key]> };
