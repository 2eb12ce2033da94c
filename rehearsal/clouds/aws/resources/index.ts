/** Every type of the provider `aws` that the stand-in has. */
import type { Resource } from "../../../../provider/server/resource.ts";
import type { Account } from "../account.ts";
import { bucketAccessKey } from "./bucket-access-key.ts";
import { bucket } from "./bucket.ts";
import { diskAttachment } from "./disk-attachment.ts";
import { disk } from "./disk.ts";
import { instancePublicPorts } from "./instance-public-ports.ts";
import { instance } from "./instance.ts";
import { keyPair } from "./key-pair.ts";
import { staticIpAttachment } from "./static-ip-attachment.ts";
import { staticIp } from "./static-ip.ts";

const definitions = [
  ...[keyPair, instance, instancePublicPorts, staticIp, staticIpAttachment],
  ...[disk, diskAttachment, bucket, bucketAccessKey],
];

export function awsResources(account: Account): readonly Resource[] {
  return definitions.map((define) => define(account));
}
