/** `aws.lightsail.Bucket`. internal/service/lightsail/bucket.go of terraform-provider-aws */
import { z } from "zod";
import type { CallContext, Resource } from "../../../../provider/server/resource.ts";
import { sameValue } from "../../../../provider/server/values.ts";
import { cloudResource, sameTags } from "../../shared/cloud-resource.ts";
import type { Account } from "../account.ts";
import { call } from "../call.ts";
import { notFound } from "../errors.ts";
import type { AwsOperation } from "../faults.ts";
import { createBucket, deleteBucket, findBucket, tagBucket, updateBucketBundle } from "../service/buckets.ts";
import { allTags, regionInput, regionOf, tagInputs, tagOutputs, tagState, unlessGone } from "./common.ts";

const inputs = z.strictObject({
  bundleId: z.string(),
  forceDelete: z.boolean().default(false),
  name: z.string(),
  ...regionInput,
  ...tagInputs,
});
const outputs = inputs.extend({
  arn: z.string(),
  availabilityZone: z.string(),
  createdAt: z.string(),
  supportCode: z.string(),
  url: z.string(),
  ...tagOutputs,
});
type State = z.output<typeof outputs>;

export function bucket(account: Account): Resource {
  const about = (operation: AwsOperation, doing: string, name: string, { signal }: CallContext) => ({
    operation,
    subject: name,
    doing: `${doing} Lightsail Bucket (${name})`,
    signal,
  });
  const found = async (
    region: string,
    name: string,
    forceDelete: boolean,
    context: CallContext,
  ): Promise<State | undefined> =>
    call(account, about("GetBuckets", "reading", name, context), async () => {
      const entry = await findBucket(account, region, name);
      if (entry === undefined) return undefined;
      const { arn, bundleId, createdAt, supportCode } = entry;
      return {
        ...{ name, region, arn, bundleId, createdAt, supportCode, forceDelete },
        // A bucket is in no zone: the API says `all`.
        availabilityZone: "all",
        url: `https://${name}.s3.${region}.amazonaws.com/`,
        ...tagState(account, entry.tags),
      };
    });
  const known = async (...about: Parameters<typeof found>): Promise<State> => {
    const state = await found(...about);
    if (state === undefined) throw notFound("Bucket", about[1]);
    return state;
  };
  return cloudResource({
    type: "aws:lightsail/bucket:Bucket",
    inputs,
    outputs,
    replaceOn: ["name", "region"],
    computed: ["region"],
    same: { tags: sameTags },
    autoName: "name",
    async create(news, context) {
      const { name, bundleId, forceDelete } = news;
      const region = regionOf(account, news);
      const tags = allTags(account, news.tags);
      await call(account, about("CreateBucket", "CreateBucket", name, context), () =>
        createBucket(account, { name, region, bundleId, tags }),
      );
      return { id: name, outputs: await known(region, name, forceDelete, context) };
    },
    read: (state, id, context) => found(regionOf(account, state), id, state.forceDelete, context),
    async update(state, news, context) {
      const { name, bundleId, forceDelete } = news;
      const region = regionOf(account, state);
      if (state.bundleId !== bundleId) {
        await call(account, about("UpdateBucketBundle", "UpdateBucket", name, context), () =>
          updateBucketBundle(account, region, name, bundleId),
        );
      }
      const tagsAll = allTags(account, news.tags);
      if (!sameValue(state.tagsAll, tagsAll)) {
        await call(account, about("TagResource", "updating", name, context), () =>
          tagBucket(account, region, name, tagsAll),
        );
      }
      return known(region, name, forceDelete, context);
    },
    async delete(state, id, context) {
      await unlessGone(() =>
        call(account, about("DeleteBucket", "deleting", id, context), () =>
          deleteBucket(account, regionOf(account, state), id, state.forceDelete),
        ),
      );
    },
    import: (id, context) => found(regionOf(account, {}), id, false, context),
  });
}
