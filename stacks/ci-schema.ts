/** The configuration of the ci stack, field by field; every message completes "`field` must". */
import { z } from "zod";
import { datastores } from "../components/upstream/k3s.ts";
import { alternatives } from "./grammar.ts";
import {
  disable,
  extraConfig,
  k3sVersion,
  kubeletArgs,
  labels,
  name,
  podNetwork,
  registryMirrors,
  taints,
  timeToLive,
  wholeNumber,
} from "./schema-pieces.ts";

const node = z.strictObject(
  { labels, taints, kubeletArgs },
  { error: "be a mapping with labels, taints or kubeletArgs" },
);

const serverCounts: readonly number[] = [1, 3];

/** One entry per key of the namespace; a key that is none of these is an error. */
export const ciFields = {
  /** Which program to run. @default the stack's name */
  topology: z.string().optional(),
  /** Prefix of everything the cluster owns. @default the stack's name */
  clusterName: name(),
  /** k3s servers, all on the site `cloud`. */
  servers: z
    .number({ error: "be 1 or 3" })
    .refine((it) => serverCounts.includes(it), {
      error: "be 1 or 3: two or four etcd members survive no more losses than one or three",
    })
    .default(1),
  /** k3s agents, all on the site `home`. */
  agents: wholeNumber(0, 100, "be a whole number from 0 to 100").default(2),
  /** The node image carries it as its tag. */
  k3sVersion,
  /** @default sqlite for one server, etcd for three */
  datastore: z.enum(datastores, { error: `be ${alternatives(datastores)}` }).optional(),
  disable: disable.default(["traefik", "servicelb", "metrics-server", "local-storage"]),
  timeToLive,
  /** Port on 127.0.0.1 of the first server's API; server i has the i-th one from it. */
  apiPort: wholeNumber(1, 65535, "be a port from 1 to 65535").default(6443),
  /**
   * Port on 127.0.0.1 of an image registry that every node pulls from.
   *
   * @default no registry
   */
  registryPort: wholeNumber(1, 65535, "be a port from 1 to 65535").optional(),
  /** What is particular to single nodes, by name. */
  nodes: z.record(z.string(), node, { error: "be a mapping of node names" }).default({}),
  podNetwork,
  registryMirrors,
  extraConfig,
} as const;

/** Keys whose text is taken as it is; the others hold JSON. */
export const textKeys: readonly string[] = [
  "topology",
  "clusterName",
  "k3sVersion",
  "datastore",
  "timeToLive",
  "podNetwork",
];

export type CiFields = { readonly [Key in keyof typeof ciFields]: z.output<(typeof ciFields)[Key]> };
