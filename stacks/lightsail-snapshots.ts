/** Where the lightsail stack's snapshots of etcd are copied to. */
import type { Provider } from "@pulumi/aws/provider.js";
import type { ClusterIdentity } from "../components/k3s/cluster-identity.ts";
import { SnapshotBucket, type SnapshotStore } from "../components/lightsail/snapshot-bucket.ts";
import type { LightsailConfig } from "./lightsail-config.ts";
import { givenStore } from "./machine-snapshots.ts";

/** The bucket that the configuration names, made where it is the stack's own; undefined where snapshots stay on the servers. */
export function snapshotStore(
  config: LightsailConfig,
  { clusterId }: ClusterIdentity,
  provider: Provider,
): SnapshotStore | undefined {
  const { clusterName, region } = config;
  const { bucket } = config.snapshots;
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
    case "s3":
      return givenStore(bucket, config);
    case "none":
      return undefined;
  }
}
