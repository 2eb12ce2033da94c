/** The configuration of etcd's snapshots; every message completes "`field` must". */
import { z } from "zod";
import { lightsailBucketBundleIds } from "../components/upstream/lightsail-prices.ts";
import { isCronSchedule } from "./cron.ts";
import { alternatives } from "./grammar.ts";
import { text, wholeNumber } from "./schema-pieces.ts";

const lightsailBucket = {
  kind: z.literal("lightsail"),
  /** Size, and with it the price. */
  bundleId: z
    .enum(lightsailBucketBundleIds, { error: `be ${alternatives(lightsailBucketBundleIds)}` })
    .default("small_1_0"),
};
const bucketName = "be the name of a bucket: 3 to 63 lower-case letters, digits, '.' and '-'";
const s3Bucket = {
  kind: z.literal("s3"),
  /** Host of the service, with a port where it is not 443. */
  endpoint: text("be a host such as s3.example.com or s3.example.com:9000").regex(
    /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?(:\d{1,5})?$/,
    { error: "be a host such as s3.example.com or s3.example.com:9000" },
  ),
  bucket: text(bucketName).regex(/^[a-z0-9][-a-z0-9.]{1,61}[a-z0-9]$/, { error: bucketName }),
  region: text("be a region such as eu-central-1").regex(/^[a-z0-9][-a-z0-9]*$/, {
    error: "be a region such as eu-central-1",
  }),
  /** Below which the snapshots are. @default the cluster's name: nodes of two clusters have the same names */
  folder: text("be a path such as clusters/home, without slashes around it")
    .regex(/^[-\w.]+(\/[-\w.]+)*$/, { error: "be a path such as clusters/home, without slashes around it" })
    .optional(),
  accessKeyId: text("be the id of an access key").regex(/^[\w-]{3,128}$/, {
    error: "be the id of an access key",
  }),
};
const noBucket = { kind: z.literal("none") };

const times = {
  /** When etcd is snapshotted; UTC. */
  schedule: text("be a cron schedule such as 0 */12 * * *")
    .refine(isCronSchedule, {
      error: "be a cron schedule of minute, hour, day, month and weekday such as 0 */12 * * *",
    })
    .default("0 */12 * * *"),
  /** How many of each server are kept, on its own /data and in the bucket. */
  keep: wholeNumber(1, 100, "be a whole number from 1 to 100").default(5),
};
const kindOf =
  (kinds: string) =>
  ({ input }: { readonly input?: unknown }): string =>
    typeof input === "object" ? `be ${kinds}` : `be a mapping with kind, ${kinds}`;
const mapping = { error: "be a mapping with schedule or keep" };

/** Where they are copied to: what is on a server is lost with it. */
const bucket = z
  .discriminatedUnion(
    "kind",
    [z.strictObject(lightsailBucket), z.strictObject(s3Bucket), z.strictObject(noBucket)],
    { error: kindOf("lightsail, s3 or none") },
  )
  .prefault({ kind: "lightsail" });
const bucketElsewhere = z
  .discriminatedUnion("kind", [z.strictObject(s3Bucket), z.strictObject(noBucket)], {
    error: kindOf("s3 or none"),
  })
  .prefault({ kind: "none" });

export const snapshots = z.strictObject({ ...times, bucket }, mapping).prefault({});
/** Of stacks that have no cloud of their own to make a bucket in. */
export const homeSnapshots = z.strictObject({ ...times, bucket: bucketElsewhere }, mapping).prefault({});

export type GivenBucket = z.output<z.ZodObject<typeof s3Bucket>>;

/** Keys of the mapping, or of its bucket by its kind. */
export function snapshotKeys(path: readonly PropertyKey[], value: unknown): readonly string[] {
  return path.length === 1
    ? [...Object.keys(times), "bucket"]
    : bucketKeys((value as { kind?: unknown }).kind);
}

function bucketKeys(kind: unknown): readonly string[] {
  if (kind === "s3") return Object.keys(s3Bucket);
  return Object.keys(kind === "none" ? noBucket : lightsailBucket);
}
