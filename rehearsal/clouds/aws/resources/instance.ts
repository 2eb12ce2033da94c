/** `aws.lightsail.Instance`. internal/service/lightsail/instance.go of terraform-provider-aws */
import { z } from "zod";
import { lightsailBlueprints } from "../../../../components/upstream/lightsail.ts";
import { lightsailBundles } from "../../../../components/upstream/lightsail-prices.ts";
import { PartialFailure } from "../../../../provider/server/partial-failure.ts";
import type { CallContext, Resource } from "../../../../provider/server/resource.ts";
import { UNKNOWN, sameValue } from "../../../../provider/server/values.ts";
import { cloudResource, sameTags } from "../../shared/cloud-resource.ts";
import type { Account } from "../account.ts";
import { addOnSchema } from "../books.ts";
import { call } from "../call.ts";
import { notFound } from "../errors.ts";
import type { AwsOperation } from "../faults.ts";
import {
  createInstance,
  deleteInstance,
  disableAddOn,
  enableAddOn,
  liveInstance,
  setIpAddressType,
  settleInstance,
  tagInstance,
} from "../service/instances.ts";
import {
  allTags,
  instanceName,
  regionInput,
  regionOf,
  tagInputs,
  tagOutputs,
  tagState,
  unlessGone,
} from "./common.ts";

const addOn = addOnSchema.extend({
  snapshotTime: z
    .string()
    .regex(
      /^(0[0-9]|1[0-9]|2[0-3]):[0-5][0-9]$/,
      "must be in HH:00 format, and in Coordinated Universal Time (UTC)",
    ),
});

const inputs = z.strictObject({
  addOn: addOn.optional(),
  availabilityZone: z.string(),
  blueprintId: z.string(),
  bundleId: z.string(),
  ipAddressType: z.string().default("dualstack"),
  keyPairName: z.string().optional(),
  name: instanceName,
  userData: z.string().optional(),
  ...regionInput,
  ...tagInputs,
});
type Inputs = z.output<typeof inputs>;

const outputs = inputs.extend({
  arn: z.string(),
  cpuCount: z.number(),
  createdAt: z.string(),
  ipv6Addresses: z.array(z.string()),
  isStaticIp: z.boolean(),
  privateIpAddress: z.string(),
  publicIpAddress: z.string(),
  ramSize: z.number(),
  username: z.string(),
  ...tagOutputs,
});
type State = z.output<typeof outputs>;

function userOf(blueprintId: string): string {
  const known: Readonly<Record<string, { readonly user: string }>> = lightsailBlueprints;
  return known[blueprintId]?.user ?? "";
}

export function instance(account: Account): Resource {
  const about = (operation: AwsOperation, type: string, name: string, { signal }: CallContext) => ({
    operation,
    subject: name,
    doing: `${type} Lightsail Instance (${name})`,
    signal,
  });

  /** As the plugin reads it: what the API does not tell, it knows from the state. */
  const found = async (
    region: string,
    name: string,
    context: CallContext,
    userData: string | undefined,
  ): Promise<State | undefined> =>
    call(account, about("GetInstance", "reading", name, context), async () => {
      const entry = await liveInstance(account, region, name);
      if (entry === undefined) return undefined;
      const { staticIps } = await account.books.read();
      const bundle = lightsailBundles.get(entry.bundleId);
      return {
        addOn: entry.addOn,
        arn: entry.arn,
        availabilityZone: entry.zone,
        blueprintId: entry.blueprintId,
        bundleId: entry.bundleId,
        cpuCount: bundle?.vCpus ?? 0,
        createdAt: entry.createdAt,
        ipAddressType: entry.ipAddressType,
        ipv6Addresses: entry.ipv6Addresses,
        isStaticIp: Object.values(staticIps).some(({ attachedTo }) => attachedTo === name),
        keyPairName: entry.keyPairName,
        name,
        privateIpAddress: entry.privateAddress,
        publicIpAddress: entry.publicAddress,
        ramSize: (bundle?.memoryMiB ?? 0) / 1024,
        region,
        ...tagState(account, entry.tags),
        userData,
        username: userOf(entry.blueprintId),
      };
    });

  const known = async (region: string, news: Inputs, context: CallContext): Promise<State> => {
    const state = await found(region, news.name, context, news.userData);
    if (state === undefined) throw notFound("Instance", news.name);
    return state;
  };

  return cloudResource({
    type: "aws:lightsail/instance:Instance",
    inputs,
    outputs,
    replaceOn: ["availabilityZone", "blueprintId", "bundleId", "keyPairName", "name", "region", "userData"],
    computed: ["keyPairName", "region"],
    same: { tags: sameTags },
    autoName: "name",
    problems(news) {
      const region = news["region"] ?? account.settings.region;
      const zone = news["availabilityZone"];
      if (typeof region !== "string" || typeof zone !== "string") return [];
      if (region === "" || region === UNKNOWN || zone === UNKNOWN || zone.startsWith(region)) return [];
      return [
        `\`availabilityZone\` must be within the same region as provider region: ${region}, got ${JSON.stringify(zone)}`,
      ];
    },
    async create(news, context) {
      const { name } = news;
      const region = regionOf(account, news);
      await call(
        account,
        { ...about("CreateInstances", "CreateInstance", name, context), kinds: ["half-created"] },
        (fault) => {
          const {
            availabilityZone: zone,
            blueprintId,
            bundleId,
            keyPairName,
            userData,
            ipAddressType,
          } = news;
          const order = { name, region, zone, blueprintId, bundleId, keyPairName, userData, ipAddressType };
          return createInstance(
            account,
            { ...order, tags: allTags(account, news.tags) },
            fault,
            context.signal,
          );
        },
      );
      const wanted = news.addOn;
      if (wanted?.status === "Enabled") {
        try {
          await call(account, about("EnableAddOn", "EnableAddOn", name, context), () =>
            enableAddOn(account, region, name, wanted),
          );
        } catch (error) {
          const message = error instanceof Error ? error.message : String(error);
          throw new PartialFailure(message, name, { ...(await known(region, news, context)) });
        }
      }
      const state = await known(region, news, context);
      return { id: name, outputs: { ...state, addOn: state.addOn ?? wanted } };
    },
    async read(state, id, context) {
      const now = await found(regionOf(account, state), id, context, state.userData);
      const off = state.addOn?.status === "Disabled" ? state.addOn : undefined;
      return now === undefined ? undefined : { ...now, addOn: now.addOn ?? off };
    },
    async update(state, news, context) {
      const { name } = news;
      const region = regionOf(account, state);
      if (state.ipAddressType !== news.ipAddressType) {
        await call(account, about("SetIpAddressType", "SetIpAddressType", name, context), () =>
          setIpAddressType(account, region, name, news.ipAddressType),
        );
      }
      const tagsAll = allTags(account, news.tags);
      if (!sameValue(state.tagsAll, tagsAll)) {
        await call(account, about("TagResource", "updating", name, context), () =>
          tagInstance(account, region, name, tagsAll),
        );
      }
      const { addOn: wanted } = news;
      if (!sameValue(state.addOn, wanted)) {
        if (state.addOn?.status === "Enabled") {
          await call(account, about("DisableAddOn", "DisableAddOn", name, context), () =>
            disableAddOn(account, region, name),
          );
        }
        if (wanted?.status === "Enabled") {
          await call(account, about("EnableAddOn", "EnableAddOn", name, context), () =>
            enableAddOn(account, region, name, wanted),
          );
        }
      }
      const now = await known(region, news, context);
      return { ...now, addOn: now.addOn ?? wanted };
    },
    async delete(state, id, context) {
      await unlessGone(() =>
        call(account, about("DeleteInstance", "deleting", id, context), () =>
          deleteInstance(account, regionOf(account, state), id),
        ),
      );
    },
    async import(id, context) {
      await settleInstance(account, id, context.signal);
      return found(regionOf(account, {}), id, context, undefined);
    },
  });
}
