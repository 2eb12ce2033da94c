/** `aws.lightsail.BucketAccessKey`. internal/service/lightsail/bucket_access_key.go of terraform-provider-aws */
import { z } from "zod";
import type { CallContext, Resource } from "../../../../provider/server/resource.ts";
import { cloudResource } from "../../shared/cloud-resource.ts";
import type { Account } from "../account.ts";
import { call } from "../call.ts";
import { notFound } from "../errors.ts";
import type { AwsOperation } from "../faults.ts";
import { createAccessKey, deleteAccessKey, findBucket } from "../service/buckets.ts";
import { regionInput, regionOf, unlessGone } from "./common.ts";

const inputs = z.strictObject({
  bucketName: z
    .string()
    .regex(/^[0-9a-z][0-9a-z-]{1,52}[0-9a-z]$/, "must be a bucket's name: ^[0-9a-z][0-9a-z-]{1,52}[0-9a-z]$"),
  ...regionInput,
});
const outputs = inputs.extend({
  accessKeyId: z.string(),
  createdAt: z.string(),
  secretAccessKey: z.string(),
  status: z.string(),
});
type State = z.output<typeof outputs>;

/** `bucket,AKIA...`. */
function partsOf(id: string): { readonly bucketName: string; readonly accessKeyId: string } {
  const [bucketName = "", accessKeyId, ...rest] = id.split(",");
  if (accessKeyId === undefined || rest.length > 0) throw new Error(`unexpected format for ID (${id})`);
  return { bucketName, accessKeyId };
}

export function bucketAccessKey(account: Account): Resource {
  const about = (operation: AwsOperation, doing: string, name: string, { signal }: CallContext) => ({
    operation,
    subject: name,
    doing: `${doing} Lightsail BucketAccessKey (${name})`,
    signal,
  });
  /** The API tells the secret once, when the key is made. */
  const found = async (
    region: string,
    id: string,
    secretAccessKey: string,
    context: CallContext,
  ): Promise<State | undefined> => {
    const { bucketName, accessKeyId } = partsOf(id);
    return call(account, about("GetBucketAccessKeys", "reading", bucketName, context), async () => {
      const entry = (await findBucket(account, region, bucketName))?.accessKeys[accessKeyId];
      if (entry === undefined) return undefined;
      const { createdAt } = entry;
      return { bucketName, region, accessKeyId, createdAt, secretAccessKey, status: "Active" };
    });
  };
  return cloudResource({
    type: "aws:lightsail/bucketAccessKey:BucketAccessKey",
    inputs,
    outputs,
    secretOutputs: ["secretAccessKey"],
    replaceOn: ["bucketName", "region"],
    computed: ["region"],
    async create(news, context) {
      const { bucketName } = news;
      const region = regionOf(account, news);
      const key = await call(
        account,
        about("CreateBucketAccessKey", "CreateBucketAccessKey", bucketName, context),
        () => createAccessKey(account, region, bucketName),
      );
      const id = `${bucketName},${key.accessKeyId}`;
      const state = await found(region, id, key.secretAccessKey, context);
      if (state === undefined) throw notFound("BucketAccessKey", key.accessKeyId);
      return { id, outputs: state };
    },
    read: (state, id, context) => found(regionOf(account, state), id, state.secretAccessKey, context),
    async delete(state, id, context) {
      const { bucketName, accessKeyId } = partsOf(id);
      await unlessGone(() =>
        call(account, about("DeleteBucketAccessKey", "deleting", bucketName, context), () =>
          deleteAccessKey(account, regionOf(account, state), bucketName, accessKeyId),
        ),
      );
    },
    import: (id, context) => found(regionOf(account, {}), id, "", context),
  });
}
