/** The parts of a tailnet policy file, as far as a rehearsal understands them. https://tailscale.com/kb/1337/policy-syntax */
import { z } from "zod";

const names = z.array(z.string());

const acl = z.strictObject({
  action: z.literal("accept"),
  src: names,
  dst: names,
  proto: z.string().optional(),
});
export type Acl = z.output<typeof acl>;

const grant = z.strictObject({
  src: names,
  dst: names,
  ip: names.optional(),
  app: z.record(z.string(), z.array(z.unknown())).optional(),
  via: names.optional(),
});
export type Grant = z.output<typeof grant>;

const test = z.strictObject({
  src: z.string(),
  proto: z.string().optional(),
  accept: names.optional(),
  deny: names.optional(),
});
export type PolicyTest = z.output<typeof test>;
export const policyTests = z.array(test);

/** A policy file. What Tailscale knows besides is in `unsupported` and `withoutEffect`. */
export const policySchema = z.strictObject({
  groups: z.record(z.string(), names).optional(),
  hosts: z.record(z.string(), z.string()).optional(),
  tagOwners: z.record(z.string(), names).optional(),
  acls: z.array(acl).optional(),
  grants: z.array(grant).optional(),
  autoApprovers: z
    .strictObject({ routes: z.record(z.string(), names).optional(), exitNode: names.optional() })
    .optional(),
  nodeAttrs: z.array(z.strictObject({ target: names, attr: names.optional() })).optional(),
  ssh: z
    .array(
      z.strictObject({
        action: z.enum(["accept", "check"]),
        src: names,
        dst: names,
        users: names,
        checkPeriod: z.string().optional(),
        acceptEnv: names.optional(),
      }),
    )
    .optional(),
  tests: policyTests.optional(),
  sshTests: z.array(z.record(z.string(), z.unknown())).optional(),
});
export type Policy = z.output<typeof policySchema>;

/** Settings of Tailscale's that decide nothing a cluster can see: taken, and not handed on to Headscale. */
export const withoutEffect = ["disableIPv4", "OneCGNATRoute", "randomizeClientPort", "attrConfig"] as const;

/** Settings of Tailscale's that Headscale 0.29 has no counterpart for: refused, since a rule without its condition would say more. */
export const unsupported = ["postures", "defaultSrcPosture", "ipsets", "derpMap"] as const;
