/** `aws.lightsail.Disk_attachment`. internal/service/lightsail/disk_attachment.go of terraform-provider-aws */
import { z } from "zod";
import type { CallContext, Resource } from "../../../../provider/server/resource.ts";
import { cloudResource } from "../../shared/cloud-resource.ts";
import type { Account } from "../account.ts";
import { call } from "../call.ts";
import { notFound } from "../errors.ts";
import type { AwsOperation } from "../faults.ts";
import { attachDisk, detachDisk, findDisk } from "../service/disks.ts";
import { knownInstance } from "../service/instances.ts";
import { regionInput, regionOf } from "./common.ts";

const inputs = z.strictObject({
  diskName: z.string(),
  diskPath: z.string(),
  instanceName: z.string(),
  ...regionInput,
});
type State = z.output<typeof inputs>;

/** `disk,instance`. */
function partsOf(id: string): { readonly diskName: string; readonly instanceName: string } {
  const [diskName = "", instanceName, ...rest] = id.split(",");
  if (instanceName === undefined || rest.length > 0) throw new Error("invalid Disk Attachment id");
  return { diskName, instanceName };
}

export function diskAttachment(account: Account): Resource {
  const about = (operation: AwsOperation, doing: string, name: string, { signal }: CallContext) => ({
    operation,
    subject: name,
    doing: `${doing} Lightsail Disk Attachment (${name})`,
    signal,
  });
  const found = async (region: string, id: string, context: CallContext): Promise<State | undefined> => {
    const { diskName, instanceName } = partsOf(id);
    return call(account, about("GetDisk", "reading", diskName, context), async () => {
      const entry = await findDisk(account, region, diskName);
      if (entry?.attachedTo !== instanceName) return undefined;
      return { diskName, diskPath: entry.path ?? "", instanceName, region };
    });
  };
  return cloudResource({
    type: "aws:lightsail/disk_attachment:Disk_attachment",
    inputs,
    outputs: inputs,
    replaceOn: ["diskName", "diskPath", "instanceName", "region"],
    computed: ["region"],
    async create(news, context) {
      const { diskName, diskPath: path, instanceName } = news;
      const region = regionOf(account, news);
      const id = `${diskName},${instanceName}`;
      await call(account, about("AttachDisk", "AttachDisk", diskName, context), () =>
        attachDisk(account, region, diskName, { instanceName, path }, context.signal),
      );
      const state = await found(region, id, context);
      if (state === undefined) throw notFound("Disk", diskName);
      return { id, outputs: state };
    },
    read: (state, id, context) => found(regionOf(account, state), id, context),
    async delete(state, id, context) {
      const { diskName, instanceName } = partsOf(id);
      const region = regionOf(account, state);
      // A disk can only be detached from a stopped instance, so the plugin looks at that first.
      await call(account, about("GetInstanceState", "reading", diskName, context), async () => {
        await knownInstance(account, region, instanceName, context.signal);
      });
      await call(account, about("DetachDisk", "DetachDisk", diskName, context), () =>
        detachDisk(account, region, diskName, instanceName),
      );
    },
    import: (id, context) => found(regionOf(account, {}), id, context),
  });
}
