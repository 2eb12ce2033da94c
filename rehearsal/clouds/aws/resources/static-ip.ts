/** `aws.lightsail.StaticIp`. internal/service/lightsail/static_ip.go of terraform-provider-aws */
import { z } from "zod";
import type { CallContext, Resource } from "../../../../provider/server/resource.ts";
import { cloudResource } from "../../shared/cloud-resource.ts";
import type { Account } from "../account.ts";
import { call } from "../call.ts";
import { notFound } from "../errors.ts";
import type { AwsOperation } from "../faults.ts";
import { allocateStaticIp, findStaticIp, releaseStaticIp } from "../service/static-ips.ts";
import { regionInput, regionOf, unlessGone } from "./common.ts";

const inputs = z.strictObject({ name: z.string(), ...regionInput });
const outputs = inputs.extend({ arn: z.string(), ipAddress: z.string(), supportCode: z.string() });
type State = z.output<typeof outputs>;

export function staticIp(account: Account): Resource {
  const about = (operation: AwsOperation, doing: string, name: string, { signal }: CallContext) => ({
    operation,
    subject: name,
    doing: `${doing} Lightsail Static IP (${name})`,
    lost: `operation error Lightsail: ${operation}, exceeded maximum number of attempts, 25, request send failed, net/http: timeout awaiting response headers`,
    signal,
  });
  const found = async (region: string, name: string, context: CallContext): Promise<State | undefined> =>
    call(account, about("GetStaticIp", "reading", name, context), async () => {
      const entry = await findStaticIp(account, region, name);
      if (entry === undefined) return undefined;
      const { arn, supportCode, address } = entry;
      return { name, arn, ipAddress: address, supportCode, region };
    });
  return cloudResource({
    type: "aws:lightsail/staticIp:StaticIp",
    inputs,
    outputs,
    replaceOn: ["name", "region"],
    computed: ["region"],
    autoName: "name",
    async create(news, context) {
      const region = regionOf(account, news);
      await call(account, about("AllocateStaticIp", "creating", news.name, context), () =>
        allocateStaticIp(account, region, news.name),
      );
      const state = await found(region, news.name, context);
      if (state === undefined) throw notFound("StaticIp", news.name);
      return { id: news.name, outputs: state };
    },
    read: (state, id, context) => found(regionOf(account, state), id, context),
    async delete(state, id, context) {
      await unlessGone(() =>
        call(account, about("ReleaseStaticIp", "deleting", id, context), () =>
          releaseStaticIp(account, regionOf(account, state), id),
        ),
      );
    },
    import: (id, context) => found(regionOf(account, {}), id, context),
  });
}
