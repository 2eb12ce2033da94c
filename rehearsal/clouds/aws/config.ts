/** Configuration of the provider `aws`: the properties of `aws.Provider` in @pulumi/aws 7.48.0. */
import { z } from "zod";
import { lightsailRegionNames } from "../../../components/upstream/lightsail.ts";
import type { ProviderPackage } from "../../../provider/server/package.ts";
import { suggestion } from "../../../provider/server/problems.ts";
import { type Properties, UNKNOWN } from "../../../provider/server/values.ts";
import { configChanges, configProblems, decodedConfig } from "../shared/provider-config.ts";

/** What the resources need of it. */
export interface ProviderSettings {
  region: string;
  defaultTags: Readonly<Record<string, string>>;
}

const text = z.string().optional();
const texts = z.array(z.string()).optional();
const flag = z.boolean().optional();
const anything = z.unknown().optional();

const configSchema = z.strictObject({
  accessKey: text,
  allowedAccountIds: texts,
  assumeRoleWithWebIdentity: anything,
  assumeRoles: anything,
  customCaBundle: text,
  defaultTags: z.strictObject({ tags: z.record(z.string(), z.string()).optional() }).optional(),
  ec2MetadataServiceEndpoint: text,
  ec2MetadataServiceEndpointMode: text,
  endpoints: anything,
  forbiddenAccountIds: texts,
  httpProxy: text,
  httpsProxy: text,
  ignoreTags: anything,
  insecure: flag,
  maxRetries: z.number().optional(),
  noProxy: text,
  profile: text,
  region: text,
  retryMode: text,
  s3UsEast1RegionalEndpoint: text,
  s3UsePathStyle: flag,
  secretKey: text,
  sharedConfigFiles: texts,
  sharedCredentialsFiles: texts,
  skipCredentialsValidation: flag,
  skipMetadataApiCheck: flag,
  skipRegionValidation: flag,
  skipRequestingAccountId: flag,
  stsRegion: text,
  tagPolicyCompliance: text,
  token: text,
  tokenBucketRateLimiterCapacity: z.number().optional(),
  useDualstackEndpoint: flag,
  useFipsEndpoint: flag,
  userAgents: texts,
});

/** `undefined`: nobody says which. */
function regionOf(inputs: Properties): string | undefined {
  const { region } = decodedConfig(configSchema, inputs);
  if (typeof region === "string" && region !== "") return region;
  return process.env["AWS_REGION"] ?? process.env["AWS_DEFAULT_REGION"];
}

function regionProblems(region: string | undefined): readonly string[] {
  if (region === UNKNOWN) return [];
  if (region === undefined) return ["`region` must be set (aws:region, or AWS_REGION), got nothing"];
  if ((lightsailRegionNames as readonly string[]).includes(region)) return [];
  const hint = suggestion(region, lightsailRegionNames);
  return [`\`region\` must be a region that offers Lightsail, got ${JSON.stringify(region)}${hint}`];
}

/** What the plugin says as `aws`; its Configure writes the settings. */
export function awsPackage(settings: ProviderSettings): ProviderPackage {
  return {
    name: "aws",
    title: "the stand-in for aws",
    checkConfig(news) {
      const region = regionOf(news);
      return {
        inputs: region === undefined ? news : { ...news, region },
        problems: [...configProblems(configSchema, news), ...regionProblems(region)],
      };
    },
    diffConfig: (olds, news) => configChanges(olds, news, ["region"]),
    configure(inputs) {
      const { data } = configSchema.safeParse(decodedConfig(configSchema, inputs));
      const region = regionOf(inputs) ?? "";
      settings.region = region === UNKNOWN ? "" : region;
      settings.defaultTags = data?.defaultTags?.tags ?? {};
    },
  };
}
