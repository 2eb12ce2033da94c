/**
 * Pieces that several resource schemas share.
 *
 * Every schema is a strict zod object: an unknown property is an error, in the same words in `check` and in
 * the component that fills it in.
 */
import { z } from "zod";

/** RFC 1123 label, at most 40 characters so that `<cluster>-<node>` stays a valid host name of 63. */
export const nameSchema = z
  .string()
  .max(40, "must be at most 40 characters")
  .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, "must be lower-case letters, digits and inner hyphens");

/** An absolute path of plain words: it becomes part of commands. */
export const librarySchema = z.string().regex(/^(\/[A-Za-z0-9._-]+)+$/, "must be an absolute path");

/** Where SSH answers, and how one is let in. */
const sshPlace = {
  address: z.string().min(1),
  port: z.number().int().min(1).max(65535),
  user: z.string().min(1),
  /** PEM. */
  privateKey: z.string().min(1),
  /**
   * `ssh-ed25519 AAAA...`: the one key the machine must show. Without it any is taken: only for questions asked before
   * the first contact, whose answer gives nothing away and decides nothing but whether the cluster has been there before.
   */
  hostKey: z.string().optional(),
};

/** A machine on the way to another one: its SSH leads on to addresses that are reached from there alone. */
export const sshHopSchema = z.strictObject(sshPlace);
export type SshHop = z.infer<typeof sshHopSchema>;

/**
 * How the provider reaches a node to write files and run the boot scripts.
 *
 * `podman`: through `podman exec` in the named container, which is the node's steward. `ssh`: as a user who may become
 * root without a password; it holds a private key, so it is a secret as a whole.
 */
export const transportSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("podman"), container: z.string().min(1) }),
  z.strictObject({
    kind: z.literal("ssh"),
    ...sshPlace,
    /** Directory of its boot files, where that is not the usual one. */
    library: librarySchema.optional(),
    /** Where the address is seen from, when that is not the machine that runs Pulumi. */
    via: sshHopSchema.optional(),
  }),
]);
export type Transport = z.infer<typeof transportSchema>;
export type PodmanTransport = Extract<Transport, { kind: "podman" }>;
export type SshTransport = Extract<Transport, { kind: "ssh" }>;

/** A Headscale server run by the resource `HeadscaleServer`. */
const headscaleContainerSchema = z.strictObject({
  kind: z.literal("headscale"),
  /** The container that answers `headscale` commands. */
  container: z.string().min(1),
});

export type HeadscaleContainerRef = z.output<typeof headscaleContainerSchema>;

/** A Headscale server that was there before: reached by its API, with the key that HEADSCALE_API_KEY holds. */
export const headscaleServerRefSchema = z.strictObject({
  kind: z.literal("headscale-server"),
  /** Without a slash at its end. */
  url: z.url(),
  /** CA of its certificate, PEM; "" where the public CAs know it. */
  caCertificate: z.string().default(""),
});
export type HeadscaleServerRef = z.output<typeof headscaleServerRefSchema>;

/** A Headscale server, whoever runs it. */
export const headscaleRefSchema = z.discriminatedUnion("kind", [
  headscaleContainerSchema,
  headscaleServerRefSchema,
]);
export type HeadscaleRef = z.output<typeof headscaleRefSchema>;

/**
 * Where a tailnet's devices are managed.
 *
 * `tailscale`: by Tailscale's API, with the credentials and the address its Pulumi provider takes from the environment
 * (TAILSCALE_API_KEY, or TAILSCALE_OAUTH_CLIENT_ID and TAILSCALE_OAUTH_CLIENT_SECRET; TAILSCALE_BASE_URL).
 */
export const tailnetRefSchema = z.discriminatedUnion("kind", [
  headscaleContainerSchema,
  headscaleServerRefSchema,
  z.strictObject({
    kind: z.literal("tailscale"),
    /** Name of the tailnet; `-` for the one the credentials belong to. */
    tailnet: z.string().min(1).default("-"),
  }),
]);
export type TailnetRef = z.infer<typeof tailnetRefSchema>;

/** What tells one tailnet from another in an input of this name: another CA is another way to the same one. */
export function tailnetIdentity<Name extends string>(name: Name): `${Name}.${string}`[] {
  return [`${name}.kind`, `${name}.container`, `${name}.url`, `${name}.tailnet`];
}

export const roleSchema = z.enum(["server", "agent"]);
export type Role = z.infer<typeof roleSchema>;
