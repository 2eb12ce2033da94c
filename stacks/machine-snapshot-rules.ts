/** Rules of every stack of machines about the bucket of etcd's snapshots. */
import type { Problem } from "./grammar.ts";
import type { Rule } from "./schema-check.ts";

interface Fields {
  readonly snapshots: { readonly bucket: { readonly kind: string } };
  readonly s3SecretAccessKey?: string | undefined;
}

export const snapshotRules: readonly Rule<Fields>[] = [
  { needs: ["snapshots", "s3SecretAccessKey"], check: secretOfS3 },
];

/** Its value is shown nowhere. */
function secretOfS3({ snapshots, s3SecretAccessKey }: Fields): Problem[] {
  const wanted = snapshots.bucket.kind === "s3";
  if (wanted === (s3SecretAccessKey !== undefined)) return [];
  const rule = wanted
    ? "be set, encrypted, with `snapshots.bucket` of kind s3: pulumi config set --secret homespan:s3SecretAccessKey"
    : "be left out: `snapshots.bucket` is not of kind s3";
  return [{ field: "s3SecretAccessKey", rule }];
}
