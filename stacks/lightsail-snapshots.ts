/** Where the lightsail stack's snapshots of etcd are copied to. */
import type { Provider } from "@pulumi/aws/provider.js";
import * as pulumi from "@pulumi/pulumi";
import type { ClusterIdentity } from "../components/k3s/cluster-identity.ts";
import { SnapshotBucket, type SnapshotStore } from "../components/lightsail/snapshot-bucket.ts";
import type { SnapshotTarget } from "../components/render/k3s-snapshots.ts";
import type { LightsailConfig } from "./lightsail-config.ts";

/** The bucket that the configuration names, made where it is the stack's own; undefined where snapshots stay on the servers. */
export function snapshotStore(
  { clusterName, region, snapshots: { bucket }, s3SecretAccessKey }: LightsailConfig,
  { clusterId }: ClusterIdentity,
  provider: Provider,
): SnapshotStore | undefined {
  switch (bucket.kind) {
    case "lightsail": {
      const { bundleId } = bucket;
      const made = new SnapshotBucket(
        "snapshots",
        { clusterName, region, clusterId, bundleId },
        { providers: [provider] },
      );
      // Its places and keys, not the component: this is an output of the stack.
      const { endpoint, folder, accessKeyId, secretAccessKey } = made;
      return { endpoint, bucket: made.bucket, region, folder, accessKeyId, secretAccessKey };
    }
    case "s3": {
      const { endpoint, folder = clusterName } = bucket;
      return {
        ...{ endpoint, region: bucket.region, folder },
        bucket: pulumi.output(bucket.bucket),
        accessKeyId: pulumi.output(bucket.accessKeyId),
        secretAccessKey: pulumi.secret(s3SecretAccessKey ?? ""),
      };
    }
    case "none":
      return undefined;
  }
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
