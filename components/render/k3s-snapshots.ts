import { renderYaml } from "./yaml.ts";

/** The S3 bucket that takes copies of etcd's snapshots. */
export interface SnapshotTarget {
  /** Host name of the service, with a port where it is not 443. TLS, with a certificate that the machine trusts. */
  readonly endpoint: string;
  readonly bucket: string;
  readonly region: string;
  /** Below which the snapshots are; "" for the bucket itself. */
  readonly folder: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** How many of each server are kept. */
  readonly keep: number;
}

const header = [
  "Written by Homespan's join layer, and secret; a change here restarts k3s on this node.",
  "A file and not a Secret of the cluster: a restore has no cluster yet that could give it one.",
].join("\n");

/** `/etc/rancher/k3s/config.yaml.d/20-snapshots.yaml`. https://docs.k3s.io/cli/etcd-snapshot#s3-compatible-object-store-support */
export function renderSnapshots(target: SnapshotTarget): string {
  return renderYaml(
    {
      "etcd-s3": true,
      "etcd-s3-endpoint": target.endpoint,
      "etcd-s3-bucket": target.bucket,
      "etcd-s3-region": target.region,
      ...(target.folder === "" ? {} : { "etcd-s3-folder": target.folder }),
      "etcd-s3-access-key": target.accessKeyId,
      "etcd-s3-secret-key": target.secretAccessKey,
      "etcd-s3-retention": target.keep,
    },
    header,
  );
}
