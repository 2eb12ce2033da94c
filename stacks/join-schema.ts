/** What a stack of machines tells others, for agents of theirs that join its cluster: its output `join`. */
import type * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import type { Hardening } from "../components/render/hardening.ts";
import { auditLogFields, podSecurityFields } from "./schema-pieces.ts";

/** Of the output's form: another one where a stack of before could not be read any more. */
export const joinVersion = 1;

const text = z.string().min(1);
const tailnet = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("tailscale"), domain: text }),
  z.object({
    kind: z.literal("headscale"),
    url: text,
    domain: text,
    /** Headscale user that owns the cluster's keys. */
    user: text,
    /** CA of its certificate, PEM; "" for a public one. */
    caCertificate: z.string(),
  }),
]);

const publicPart = {
  version: z.literal(joinVersion),
  clusterName: text,
  /** Where its servers stand. */
  site: text,
  k3sVersion: text,
  /** Network of all pods, where each node is the route to its own; null with VXLAN. */
  podCidr: z.string().nullable(),
  hardening: z.object({ podSecurity: z.object(podSecurityFields), auditLog: z.object(auditLogFields) }),
  servers: z.array(z.object({ name: text, fullyQualifiedName: text, apiUrl: text })).min(1),
  /** Names of all its nodes, agents of other stacks not among them. */
  nodeNames: z.array(text),
  tailnet,
};

/** As another stack reads it. */
export const joinSchema = z.object({
  ...publicPart,
  /** Secret. */
  agentToken: text,
  /** Secret. The admin's, to admit and to remove the agents by. */
  kubeconfig: text,
});

/** As another stack reads it. */
export type Join = z.output<typeof joinSchema>;
/** What the tailnet's keys are made with. */
export type JoinTailnet = Join["tailnet"];

/** As a stack offers it. */
export type JoinOffer = Omit<Join, "agentToken" | "kubeconfig" | "tailnet" | "hardening"> & {
  readonly hardening: Hardening;
  readonly tailnet: pulumi.Input<JoinTailnet>;
  readonly agentToken: pulumi.Output<string>;
  readonly kubeconfig: pulumi.Output<string>;
};
