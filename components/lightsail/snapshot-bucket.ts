import { Bucket } from "@pulumi/aws/lightsail/bucket.js";
import { BucketAccessKey } from "@pulumi/aws/lightsail/bucketAccessKey.js";
import * as pulumi from "@pulumi/pulumi";
import type { LightsailBucketBundleId } from "../upstream/lightsail-prices.ts";
import { bucketEndpoint } from "../upstream/lightsail.ts";

export interface SnapshotBucketArgs {
  readonly clusterName: string;
  readonly region: string;
  /** Distinguishes the bucket from all others of its name: names are one space over all accounts of AWS. */
  readonly clusterId: pulumi.Input<string>;
  /** Size, and with it the price. */
  readonly bundleId: LightsailBucketBundleId;
}

/** Where the snapshots go, and with which key. */
export interface SnapshotStore {
  /** Host name of the S3 service. */
  readonly endpoint: string;
  readonly bucket: pulumi.Output<string>;
  readonly region: string;
  /** Below which the snapshots are; "" for the bucket itself. */
  readonly folder: string;
  readonly accessKeyId: pulumi.Output<string>;
  /** Secret. */
  readonly secretAccessKey: pulumi.Output<string>;
}

/** A Lightsail bucket for etcd's snapshots, and the one key that opens it. It outlives every server, and is protected. */
export class SnapshotBucket extends pulumi.ComponentResource implements SnapshotStore {
  readonly endpoint: string;
  readonly bucket: pulumi.Output<string>;
  readonly region: string;
  readonly folder = "";
  readonly accessKeyId: pulumi.Output<string>;
  readonly secretAccessKey: pulumi.Output<string>;

  constructor(name: string, args: SnapshotBucketArgs, options: pulumi.ComponentResourceOptions = {}) {
    super("homespan:lightsail:SnapshotBucket", name, {}, options);
    const { clusterName, region, bundleId } = args;
    const bucket = new Bucket(
      `${name}-bucket`,
      {
        name: pulumi.output(args.clusterId).apply((id) => bucketName(clusterName, id)),
        bundleId,
        // The protection is what keeps the snapshots: once it is taken away they are meant to go.
        forceDelete: true,
        tags: { "homespan.cluster": clusterName },
      },
      { parent: this, protect: true, deleteBeforeReplace: true },
    );
    const key = new BucketAccessKey(
      `${name}-key`,
      { bucketName: bucket.name },
      { parent: this, additionalSecretOutputs: ["secretAccessKey"] },
    );
    this.endpoint = bucketEndpoint(region);
    this.bucket = bucket.name;
    this.region = region;
    this.accessKeyId = key.accessKeyId;
    this.secretAccessKey = pulumi.secret(key.secretAccessKey);
    this.registerOutputs({ bucket: bucket.name });
  }
}

/** At most 54 characters, as a cluster's name has at most 40. */
function bucketName(clusterName: string, clusterId: string): string {
  return `${clusterName}-etcd-${clusterId.slice(0, 8)}`;
}
