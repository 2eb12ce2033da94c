/** Fields that several stacks' configurations share; every message completes "`field` must". */
import { z } from "zod";
import { podNetworks } from "../components/render/pod-network.ts";
import { podSecurityLevels } from "../components/upstream/hardening.ts";
import { packagedComponents, type PackagedComponent } from "../components/upstream/k3s.ts";
import { nameSchema } from "../provider/schema/common.ts";
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

export const text = (rule: string): z.ZodString => z.string({ error: rule });

export const wholeNumber = (from: number, to: number, rule: string): z.ZodNumber =>
  z.number({ error: rule }).int({ error: rule }).min(from, { error: rule }).max(to, { error: rule });

/** Name of a cluster or a node. */
export const name = (): z.ZodString => {
  const rule = "be at most 40 lower-case letters, digits and inner hyphens";
  return text(rule).refine((it) => nameSchema.safeParse(it).success, { error: rule });
};

/** Labels beside those of the topology; a change reaches the Node without a restart. */
export const labels = z
  .record(
    z.string().refine(isLabelKey, { error: "be a Kubernetes label key such as example.com/rack" }),
    text("be text: put quotes around it").refine((value) => value === "" || labelName.test(value), {
      error: "be a Kubernetes label value: at most 63 letters, digits, '-', '_' or '.'",
    }),
    { error: "be a mapping of labels" },
  )
  .default({});

/** Set when the node registers. */
export const taints = z
  .array(
    text("be text").refine(isTaint, {
      error: "be key=value:Effect with NoSchedule, PreferNoSchedule or NoExecute",
    }),
    { error: "be a list of taints" },
  )
  .default([]);

/** A change restarts k3s on the node. */
export const kubeletArgs = z
  .array(text("be text").regex(/^[a-z][a-z0-9-]*=.+$/s, { error: "be name=value, without leading dashes" }), {
    error: "be a list of kubelet arguments",
  })
  .default([]);

/** A node of machines: what it stands on, with what every node may have. */
export function machineNode<Kind extends z.ZodRawShape>(
  kind: Kind,
): Kind & {
  name: z.ZodOptional<z.ZodString>;
  labels: typeof labels;
  taints: typeof taints;
  kubeletArgs: typeof kubeletArgs;
} {
  return {
    /** Its name in the cluster; a node without one is named by its place, `server-1` or `agent-1`. */
    name: name().optional(),
    ...kind,
    labels,
    taints,
    kubeletArgs,
  };
}

/** The place a machine stands in. */
export function site(machine: string): z.ZodString {
  const rule = `be the place ${machine} stands in such as home`;
  return text(rule).regex(/^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/, {
    error: `${rule}: at most 63 letters, digits, '-', '_' or '.'`,
  });
}

const deviceRule = "be a path below /dev that stays the same, such as /dev/disk/by-id/...";
/** A disk of a machine's. */
export const device = (): z.ZodString =>
  text(deviceRule).refine(
    (it) => /^\/dev(\/[A-Za-z0-9_.:+@=-]+)+$/.test(it) && !it.split("/").includes(".."),
    { error: deviceRule },
  );

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

/** Any k3s option the topology does not own. */
export const extraConfig = z
  .strictObject({ server: options, agent: options }, { error: "be a mapping with server or agent" })
  .default({ server: {}, agent: {} });

/** How packets get from a pod to one on another node. A change restarts k3s on every node. */
export const podNetwork = z.enum(podNetworks, { error: `be ${alternatives(podNetworks)}` }).default("vxlan");

const mirrorRule = "be an address such as https://mirror.example.com:5000";

/** True for what containerd takes as an endpoint. */
function isMirror(address: string): boolean {
  return URL.canParse(address) && ["http:", "https:"].includes(new URL(address).protocol);
}

/**
 * Where images of a registry are pulled from first; after them from the registry itself. A change restarts k3s on every node.
 * https://docs.k3s.io/installation/private-registry
 */
export const registryMirrors = z
  .record(
    z.string().regex(/^(\*|[a-z0-9]([-a-z0-9.]*[a-z0-9])?(:[1-9]\d{0,4})?)$/, {
      error:
        "be a registry as it stands in front of an image's name, such as docker.io or registry.example.com:5000, or * for all others",
    }),
    z
      .array(text(mirrorRule).refine(isMirror, { error: mirrorRule }), { error: "be a list of addresses" })
      .min(1, { error: "be a list of at least one address" }),
    { error: "be a mapping of registries, each with a list of addresses" },
  )
  .default({});

/** Release of k3s. */
export const k3sVersion = text("be text")
  .regex(/^v\d+\.\d+\.\d+(-rc\d+)?\+k3s\d+$/, { error: "be a k3s release such as v1.35.1+k3s1" })
  .optional();

/** Packaged components k3s leaves out. */
export const disable = z.array(
  z.enum(packagedComponents, { error: `be ${alternatives(packagedComponents)}` }),
  { error: "be a list of k3s's packaged components" },
) satisfies z.ZodType<PackagedComponent[]>;

/** Life of the cluster from its creation; outputs name the end. @default without end */
export const timeToLive = text("be text")
  .regex(durationPattern, { error: "be a number of minutes, hours or days such as 90m, 2h or 7d" })
  .optional();

const namespaceName = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

/** Which pods are admitted, in namespaces whose labels do not say otherwise; a change restarts k3s on the servers. */
export const podSecurityFields = {
  /** @default restricted */
  enforce: z
    .enum(podSecurityLevels, { error: `be ${alternatives(podSecurityLevels)}` })
    .default("restricted"),
  /** Every pod is admitted there, as in kube-system. */
  exemptNamespaces: z
    .array(
      text("be text").regex(namespaceName, {
        error: "be a namespace: at most 63 lower-case letters, digits and inner hyphens",
      }),
      { error: "be a list of namespaces" },
    )
    .default([]),
};
export const podSecurity = z
  .strictObject(podSecurityFields, { error: "be a mapping with enforce or exemptNamespaces" })
  .prefault({});

/** How much of the audit log each server keeps; a change restarts k3s on the servers. */
export const auditLogFields = {
  /** @default 30 */
  maxAgeDays: wholeNumber(1, 3650, "be a whole number of days from 1 to 3650").default(30),
  /** Rotated files beside the one that is written. @default 10 */
  maxBackups: wholeNumber(1, 100, "be a whole number of files from 1 to 100").default(10),
  /** A file that is larger is rotated. @default 100 */
  maxSizeMiB: wholeNumber(1, 1000, "be a whole number of MiB from 1 to 1000").default(100),
};
export const auditLog = z
  .strictObject(auditLogFields, { error: "be a mapping with maxAgeDays, maxBackups or maxSizeMiB" })
  .prefault({});
