/** The S3 service's files follow the books of the rehearsed AWS. */
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { objectFiles } from "../../../rehearsal/objects/files.ts";
import { AwsHarness } from "../aws/harness.ts";

let h: AwsHarness;
beforeEach(async () => {
  h = await AwsHarness.start();
});
afterEach(async () => {
  await h.end();
});

const bucket = { bundleId: "small_1_0", name: "ci-etcd-1a2b3c4d" };

/** As the daemon leaves it for the stand-in. */
function serve(): ReturnType<typeof objectFiles> {
  const files = objectFiles(h.folder);
  for (const folder of [files.data, files.meta, files.keys]) mkdirSync(folder, { recursive: true });
  writeFileSync(files.service, JSON.stringify({ address: "10.89.4.11", region: "eu-central-1" }));
  return files;
}

const users = (file: string): Record<string, { secret: string; role: string }> =>
  (
    JSON.parse(readFileSync(file, "utf8")) as {
      accessAccounts: Record<string, { secret: string; role: string }>;
    }
  ).accessAccounts;

test("a bucket gets its folder and its name, a key its user and that bucket alone", async () => {
  const files = serve();
  await h.make("bucket", bucket);
  await h.make("bucket", { ...bucket, name: "other-etcd-1a2b3c4d" });
  expect(statSync(join(files.data, bucket.name)).isDirectory()).toBe(true);
  expect(h.machines.known).toEqual({
    "ci-etcd-1a2b3c4d.s3.dualstack.eu-central-1.amazonaws.com": "10.89.4.11",
    "other-etcd-1a2b3c4d.s3.dualstack.eu-central-1.amazonaws.com": "10.89.4.11",
  });
  const policy = join(files.meta, bucket.name, "meta", "policy");
  expect(existsSync(policy)).toBe(false);

  const { id, state } = await h.make("accessKey", { bucketName: bucket.name });
  const access = String(state["accessKeyId"]);
  expect(Object.keys(users(join(files.keys, "users.json")))).toEqual([access]);
  expect(users(join(files.keys, "users.json"))[access]).toMatchObject({ role: "user" });
  expect(statSync(join(files.keys, "users.json")).mode & 0o777).toBe(0o600);
  expect(JSON.parse(readFileSync(policy, "utf8"))).toMatchObject({
    Statement: [
      {
        Effect: "Allow",
        Principal: { AWS: [access] },
        Resource: ["arn:aws:s3:::ci-etcd-1a2b3c4d", "arn:aws:s3:::ci-etcd-1a2b3c4d/*"],
      },
    ],
  });
  expect(existsSync(join(files.meta, "other-etcd-1a2b3c4d", "meta", "policy"))).toBe(false);

  await h.client.delete("aws:lightsail/bucketAccessKey:BucketAccessKey", { id, state });
  expect(users(join(files.keys, "users.json"))).toEqual({});
  expect(existsSync(policy)).toBe(false);
});

test("a bucket with objects goes by force alone, and its objects with it", async () => {
  const files = serve();
  const { id, state } = await h.make("bucket", bucket);
  writeFileSync(join(files.data, bucket.name, "etcd-snapshot"), "content");
  const type = "aws:lightsail/bucket:Bucket";
  await expect(h.client.delete(type, { id, state })).rejects.toThrow(/it has 1 objects; force its deletion/);
  await h.client.delete(type, { id, state: { ...state, forceDelete: true } });
  expect(existsSync(join(files.data, bucket.name))).toBe(false);
  expect((await h.account.books.read()).buckets).toEqual({});
});

test("without a service there are the books alone", async () => {
  await h.make("bucket", bucket);
  expect(existsSync(objectFiles(h.folder).data)).toBe(false);
  expect(h.machines.known).toEqual({});
});
