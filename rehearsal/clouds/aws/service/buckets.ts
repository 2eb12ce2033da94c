/** Buckets: CreateBucket, UpdateBucketBundle, DeleteBucket, CreateBucketAccessKey, DeleteBucketAccessKey. */
import { randomBytes } from "node:crypto";
import { lightsailNames } from "../../../../components/upstream/lightsail.ts";
import { lightsailBucketBundleIds } from "../../../../components/upstream/lightsail-prices.ts";
import type { Account } from "../account.ts";
import type { BucketEntry } from "../books.ts";
import { invalidInput, notFound } from "../errors.ts";
import { checkTags, entryIn, knownIn, newArn, newSupportCode, timeText } from "./rules.ts";

/** https://docs.aws.amazon.com/lightsail/latest/userguide/amazon-lightsail-creating-bucket-access-keys.html */
const KEYS_PER_BUCKET = 2;

export interface BucketOrder {
  readonly name: string;
  readonly region: string;
  readonly bundleId: string;
  readonly tags: Readonly<Record<string, string>>;
}

function checkBundle(bundleId: string): void {
  if ((lightsailBucketBundleIds as readonly string[]).includes(bundleId)) return;
  throw invalidInput(`The specified bucket bundle does not exist: ${bundleId}`);
}

export async function createBucket(account: Account, order: BucketOrder): Promise<void> {
  const { name, region, bundleId, tags } = order;
  if (!lightsailNames.bucket.test(name)) throw invalidInput(`${name} is not a valid bucket name`);
  checkBundle(bundleId);
  checkTags(tags);
  await account.books.change((books) => {
    // Bucket names are one space for all accounts and regions.
    if (name in books.buckets) throw invalidInput(`The requested bucket name is not available: ${name}`);
    books.buckets[name] = {
      arn: newArn(region, "Bucket"),
      supportCode: newSupportCode("bucket"),
      ...{ region, bundleId, tags: { ...tags } },
      createdAt: timeText(account.now()),
      objects: 0,
      accessKeys: {},
    };
  });
  await serve(account);
}

/** The S3 service is what the books say. */
function serve({ books, objects }: Account): Promise<void> {
  return objects.apply(async () => (await books.read()).buckets);
}

export async function findBucket(
  account: Account,
  region: string,
  name: string,
): Promise<BucketEntry | undefined> {
  return entryIn((await account.books.read()).buckets, region, name);
}

async function changeBucket<R>(
  account: Account,
  region: string,
  name: string,
  change: (entry: BucketEntry) => R,
): Promise<R> {
  return account.books.change((books) => change(knownIn(books.buckets, region, "Bucket", name)));
}

export async function updateBucketBundle(
  account: Account,
  region: string,
  name: string,
  bundleId: string,
): Promise<void> {
  checkBundle(bundleId);
  await changeBucket(account, region, name, (entry) => {
    entry.bundleId = bundleId;
  });
}

export async function tagBucket(
  account: Account,
  region: string,
  name: string,
  tags: Readonly<Record<string, string>>,
): Promise<void> {
  checkTags(tags);
  await changeBucket(account, region, name, (entry) => {
    entry.tags = { ...tags };
  });
}

/** Says how many objects are in a bucket: what keeps the objects calls this. */
export async function countObjects(account: Account, name: string, objects: number): Promise<void> {
  await account.books.change((books) => {
    const entry = books.buckets[name];
    if (entry === undefined) throw notFound("Bucket", name);
    entry.objects = objects;
  });
}

/** https://docs.aws.amazon.com/lightsail/2016-11-28/api-reference/API_DeleteBucket.html */
export async function deleteBucket(
  account: Account,
  region: string,
  name: string,
  force: boolean,
): Promise<void> {
  const found = await account.objects.count(name);
  if (found !== undefined && (await findBucket(account, region, name)) !== undefined) {
    await countObjects(account, name, found);
  }
  await account.books.change((books) => {
    const entry = knownIn(books.buckets, region, "Bucket", name);
    if (!force && entry.objects > 0) {
      throw invalidInput(
        `The bucket ${name} is not empty: it has ${entry.objects} objects; force its deletion`,
      );
    }
    const keys = Object.keys(entry.accessKeys).length;
    if (!force && keys > 0) {
      throw invalidInput(
        `The bucket ${name} has ${keys} access keys; delete them first, or force its deletion`,
      );
    }
    Reflect.deleteProperty(books.buckets, name);
  });
  await serve(account);
}

export async function createAccessKey(
  account: Account,
  region: string,
  bucketName: string,
): Promise<{ readonly accessKeyId: string; readonly secretAccessKey: string }> {
  // The alphabet of base32, as AWS's ids have it.
  const letters = [...randomBytes(16)].map((byte) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".charAt(byte % 32));
  const accessKeyId = `AKIA${letters.join("")}`;
  const secretAccessKey = randomBytes(30).toString("base64");
  await changeBucket(account, region, bucketName, (entry) => {
    if (Object.keys(entry.accessKeys).length >= KEYS_PER_BUCKET) {
      throw invalidInput(
        `The bucket ${bucketName} has ${KEYS_PER_BUCKET} access keys already, the most there can be`,
      );
    }
    entry.accessKeys[accessKeyId] = { secretAccessKey, createdAt: timeText(account.now()) };
  });
  await serve(account);
  return { accessKeyId, secretAccessKey };
}

export async function deleteAccessKey(
  account: Account,
  region: string,
  bucketName: string,
  accessKeyId: string,
): Promise<void> {
  await changeBucket(account, region, bucketName, (entry) => {
    if (!(accessKeyId in entry.accessKeys)) throw notFound("BucketAccessKey", accessKeyId);
    Reflect.deleteProperty(entry.accessKeys, accessKeyId);
  });
  await serve(account);
}
