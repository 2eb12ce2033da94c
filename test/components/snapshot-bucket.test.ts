import * as pulumi from "@pulumi/pulumi";
import { expect, test } from "vitest";
import { SnapshotBucket } from "../../components/lightsail/snapshot-bucket.ts";
import { machineSecrets, prepared } from "./support/prepared.ts";
import { record } from "./support/recorder.ts";

const bucketType = "aws:lightsail/bucket:Bucket";

test("a protected bucket named after cluster and id, and its one key, whose secret stays one", async () => {
  const { find, registrations, outputs } = await record(prepared, () => {
    const made = new SnapshotBucket("snapshots", {
      clusterName: "prod",
      region: "eu-central-1",
      clusterId: pulumi.output("1a2b3c4d5e6f7a8b"),
      bundleId: "small_1_0",
    });
    const { endpoint, bucket, region, folder, accessKeyId } = made;
    return {
      place: { endpoint, bucket, region, folder, accessKeyId },
      hidden: pulumi.isSecret(made.secretAccessKey),
      secret: made.secretAccessKey,
    };
  });
  expect(outputs).toEqual({
    place: {
      endpoint: "s3.eu-central-1.amazonaws.com",
      bucket: "prod-etcd-1a2b3c4d",
      region: "eu-central-1",
      folder: "",
      accessKeyId: "AKIA0EXAMPLE",
    },
    hidden: true,
    secret: machineSecrets.bucketSecret,
  });
  expect(find(bucketType, "snapshots-bucket").inputs).toEqual({
    name: "prod-etcd-1a2b3c4d",
    bundleId: "small_1_0",
    forceDelete: true,
    tags: { "homespan.cluster": "prod" },
  });
  expect(find(bucketType, "snapshots-bucket").protect).toBe(true);
  expect(find("aws:lightsail/bucketAccessKey:BucketAccessKey", "snapshots-key").inputs).toEqual({
    bucketName: "prod-etcd-1a2b3c4d",
  });
  expect(registrations.filter(({ type }) => type.startsWith("aws:"))).toHaveLength(2);
});
