/** `aws.lightsail.Disk`. internal/service/lightsail/disk.go of terraform-provider-aws */
import { z } from "zod";
import type { CallContext, Resource } from "../../../../provider/server/resource.ts";
import { cloudResource, sameTags } from "../../shared/cloud-resource.ts";
import type { Account } from "../account.ts";
import { call } from "../call.ts";
import { notFound } from "../errors.ts";
import type { AwsOperation } from "../faults.ts";
import { createDisk, deleteDisk, findDisk, tagDisk } from "../service/disks.ts";
import {
  allTags,
  diskName,
  regionInput,
  regionOf,
  tagInputs,
  tagOutputs,
  tagState,
  unlessGone,
} from "./common.ts";

const inputs = z.strictObject({
  availabilityZone: z.string(),
  name: diskName,
  sizeInGb: z.number().int(),
  ...regionInput,
  ...tagInputs,
});
const outputs = inputs.extend({
  arn: z.string(),
  createdAt: z.string(),
  supportCode: z.string(),
  ...tagOutputs,
});
type State = z.output<typeof outputs>;

export function disk(account: Account): Resource {
  const about = (operation: AwsOperation, doing: string, name: string, { signal }: CallContext) => ({
    operation,
    subject: name,
    doing: `${doing} Lightsail Disk (${name})`,
    signal,
  });
  const found = async (region: string, name: string, context: CallContext): Promise<State | undefined> =>
    call(account, about("GetDisk", "reading", name, context), async () => {
      const entry = await findDisk(account, region, name);
      if (entry === undefined) return undefined;
      const { arn, createdAt, supportCode, sizeInGb, zone: availabilityZone } = entry;
      const own = { name, region, arn, createdAt, supportCode, sizeInGb, availabilityZone };
      return { ...own, ...tagState(account, entry.tags) };
    });
  const known = async (region: string, name: string, context: CallContext): Promise<State> => {
    const state = await found(region, name, context);
    if (state === undefined) throw notFound("Disk", name);
    return state;
  };
  return cloudResource({
    type: "aws:lightsail/disk:Disk",
    inputs,
    outputs,
    replaceOn: ["availabilityZone", "name", "region", "sizeInGb"],
    computed: ["region"],
    same: { tags: sameTags },
    autoName: "name",
    async create(news, context) {
      const { name, availabilityZone: zone, sizeInGb } = news;
      const region = regionOf(account, news);
      const tags = allTags(account, news.tags);
      await call(account, about("CreateDisk", "CreateDisk", name, context), () =>
        createDisk(account, { name, region, zone, sizeInGb, tags }),
      );
      return { id: name, outputs: await known(region, name, context) };
    },
    read: (state, id, context) => found(regionOf(account, state), id, context),
    async update(state, news, context) {
      const region = regionOf(account, state);
      await call(account, about("TagResource", "updating", news.name, context), () =>
        tagDisk(account, region, news.name, allTags(account, news.tags)),
      );
      return known(region, news.name, context);
    },
    async delete(state, id, context) {
      await unlessGone(() =>
        call(account, about("DeleteDisk", "DeleteDisk", id, context), () =>
          deleteDisk(account, regionOf(account, state), id),
        ),
      );
    },
    import: (id, context) => found(regionOf(account, {}), id, context),
  });
}
