/** Rules about the bucket of etcd's snapshots that join several fields. */
import type { Problem } from "./grammar.ts";
import type { LightsailFields } from "./lightsail-schema.ts";
import type { Rule } from "./schema-check.ts";

export const snapshotRules: readonly Rule<LightsailFields>[] = [
  { needs: ["snapshots", "s3SecretAccessKey"], check: secretOfS3 },
  { needs: ["snapshots", "clusterName"], check: bucketNameFits },
];

/** Its value is shown nowhere. */
function secretOfS3({ snapshots, s3SecretAccessKey }: LightsailFields): Problem[] {
  const wanted = snapshots.bucket.kind === "s3";
  if (wanted === (s3SecretAccessKey !== undefined)) return [];
  const rule = wanted
    ? "be set, encrypted, with `snapshots.bucket` of kind s3: pulumi config set --secret homespan:s3SecretAccessKey"
    : "be left out: `snapshots.bucket` is not of kind s3";
  return [{ field: "s3SecretAccessKey", rule }];
}

/** The cluster's name begins the bucket's, for which Lightsail has rules of its own. */
function bucketNameFits({ snapshots, clusterName }: LightsailFields): Problem[] {
  const rule =
    "have no two hyphens in a row where `snapshots.bucket` is of kind lightsail: it begins the bucket's name";
  return snapshots.bucket.kind === "lightsail" && clusterName.includes("--")
    ? [{ field: "clusterName", rule, got: clusterName }]
    : [];
}
