/** Where snapshots of etcd are copied to, in every stack of machines. */
import * as pulumi from "@pulumi/pulumi";
import type { SnapshotStore } from "../components/lightsail/snapshot-bucket.ts";
import type { SnapshotTarget } from "../components/render/k3s-snapshots.ts";
import type { GivenBucket } from "./snapshots-schema.ts";

/** A bucket of one's own at any S3 service. */
export function givenStore(
  { endpoint, region, bucket, folder, accessKeyId }: GivenBucket,
  {
    clusterName,
    s3SecretAccessKey,
  }: { readonly clusterName: string; readonly s3SecretAccessKey?: string | undefined },
): SnapshotStore {
  return {
    ...{ endpoint, region, folder: folder ?? clusterName },
    bucket: pulumi.output(bucket),
    accessKeyId: pulumi.output(accessKeyId),
    secretAccessKey: pulumi.secret(s3SecretAccessKey ?? ""),
  };
}

/** What servers are told of it; secret as a whole, since it holds the key. */
export function snapshotTarget(
  store: SnapshotStore | undefined,
  keep: number,
): pulumi.Output<SnapshotTarget> | undefined {
  if (store === undefined) return undefined;
  const { endpoint, region, folder, bucket, accessKeyId, secretAccessKey } = store;
  return pulumi.all([bucket, accessKeyId, secretAccessKey]).apply(([name, id, secret]) => ({
    ...{ endpoint, region, folder, keep },
    ...{ bucket: name, accessKeyId: id, secretAccessKey: secret },
  }));
}
