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

/**
 * How the provider reaches a node to write files and run the boot scripts.
 *
 * `podman`: through `podman exec` in the named container, which is the node's steward.
 */
export const transportSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("podman"), container: z.string().min(1) }),
]);
export type Transport = z.infer<typeof transportSchema>;

/** A Headscale server run by the resource `HeadscaleServer`. */
export const headscaleRefSchema = z.strictObject({
  kind: z.literal("headscale"),
  /** The container that answers `headscale` commands. */
  container: z.string().min(1),
});
export type HeadscaleRef = z.infer<typeof headscaleRefSchema>;

export const roleSchema = z.enum(["server", "agent"]);
export type Role = z.infer<typeof roleSchema>;
