/** `aws.lightsail.StaticIpAttachment`. internal/service/lightsail/static_ip_attachment.go of terraform-provider-aws */
import { z } from "zod";
import type { CallContext, Resource } from "../../../../provider/server/resource.ts";
import { cloudResource } from "../../shared/cloud-resource.ts";
import type { Account } from "../account.ts";
import { call } from "../call.ts";
import { notFound } from "../errors.ts";
import type { AwsOperation } from "../faults.ts";
import { attachStaticIp, detachStaticIp, findStaticIp } from "../service/static-ips.ts";
import { regionInput, regionOf, unlessGone } from "./common.ts";

const inputs = z.strictObject({ instanceName: z.string(), staticIpName: z.string(), ...regionInput });
const outputs = inputs.extend({ ipAddress: z.string() });
type State = z.output<typeof outputs>;

export function staticIpAttachment(account: Account): Resource {
  const about = (operation: AwsOperation, doing: string, name: string, { signal }: CallContext) => ({
    operation,
    subject: name,
    doing: `${doing} Lightsail Static IP Attachment (${name})`,
    lost: `operation error Lightsail: ${operation}, exceeded maximum number of attempts, 25, request send failed, net/http: timeout awaiting response headers`,
    signal,
  });
  const found = async (region: string, name: string, context: CallContext): Promise<State | undefined> =>
    call(account, about("GetStaticIp", "reading", name, context), async () => {
      const entry = await findStaticIp(account, region, name);
      if (entry?.attachedTo === undefined) return undefined;
      return { staticIpName: name, instanceName: entry.attachedTo, ipAddress: entry.address, region };
    });
  return cloudResource({
    type: "aws:lightsail/staticIpAttachment:StaticIpAttachment",
    inputs,
    outputs,
    replaceOn: ["instanceName", "staticIpName", "region"],
    computed: ["region"],
    async create(news, context) {
      const { staticIpName: name, instanceName } = news;
      const region = regionOf(account, news);
      await call(account, about("AttachStaticIp", "creating", name, context), () =>
        attachStaticIp(account, region, name, instanceName, context.signal),
      );
      const state = await found(region, name, context);
      if (state === undefined) throw notFound("StaticIp", name);
      return { id: name, outputs: state };
    },
    read: (state, id, context) => found(regionOf(account, state), id, context),
    async delete(state, id, context) {
      await unlessGone(() =>
        call(account, about("DetachStaticIp", "deleting", id, context), () =>
          detachStaticIp(account, regionOf(account, state), id),
        ),
      );
    },
    import: (id, context) => found(regionOf(account, {}), id, context),
  });
}
