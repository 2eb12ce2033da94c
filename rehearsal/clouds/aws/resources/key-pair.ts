/** `aws.lightsail.KeyPair`. internal/service/lightsail/key_pair.go of terraform-provider-aws */
import { randomBytes } from "node:crypto";
import { z } from "zod";
import type { CallContext, Resource } from "../../../../provider/server/resource.ts";
import { cloudResource, sameTags } from "../../shared/cloud-resource.ts";
import type { Account } from "../account.ts";
import { call } from "../call.ts";
import { notFound } from "../errors.ts";
import type { AwsOperation } from "../faults.ts";
import {
  createKeyPair,
  deleteKeyPair,
  findKeyPair,
  importKeyPair,
  tagKeyPair,
} from "../service/key-pairs.ts";
import { allTags, regionInput, regionOf, tagInputs, tagOutputs, tagState, unlessGone } from "./common.ts";

const inputs = z.strictObject({
  name: z.string().optional(),
  namePrefix: z.string().optional(),
  pgpKey: z.string().optional(),
  publicKey: z.string().optional(),
  ...regionInput,
  ...tagInputs,
});
const outputs = inputs.extend({
  name: z.string(),
  arn: z.string(),
  encryptedFingerprint: z.string(),
  encryptedPrivateKey: z.string(),
  fingerprint: z.string(),
  privateKey: z.string(),
  publicKey: z.string(),
  ...tagOutputs,
});
type State = z.output<typeof outputs>;

export function keyPair(account: Account): Resource {
  const about = (operation: AwsOperation, doing: string, name: string, { signal }: CallContext) => ({
    operation,
    subject: name,
    doing: `${doing} Lightsail KeyPair (${name})`,
    signal,
  });
  const found = async (
    region: string,
    name: string,
    own: Pick<State, "namePrefix" | "publicKey" | "privateKey">,
    context: CallContext,
  ): Promise<State | undefined> =>
    call(account, about("GetKeyPair", "reading", name, context), async () => {
      const entry = await findKeyPair(account, region, name);
      if (entry === undefined) return undefined;
      return {
        ...{ name, region, arn: entry.arn, fingerprint: entry.fingerprint },
        ...{ encryptedFingerprint: "", encryptedPrivateKey: "" },
        ...own,
        ...tagState(account, entry.tags),
      };
    });
  const known = async (...about: Parameters<typeof found>): Promise<State> => {
    const state = await found(...about);
    if (state === undefined) throw notFound("KeyPair", about[1]);
    return state;
  };
  return cloudResource({
    type: "aws:lightsail/keyPair:KeyPair",
    inputs,
    outputs,
    secretOutputs: ["privateKey"],
    replaceOn: ["name", "namePrefix", "pgpKey", "publicKey", "region"],
    computed: ["name", "publicKey", "region"],
    same: { tags: sameTags },
    autoName: "name",
    namePrefix: "namePrefix",
    problems: ({ name, namePrefix, pgpKey }) => [
      ...(name !== undefined && namePrefix !== undefined
        ? ["`name` must be left out beside `namePrefix`, got both"]
        : []),
      ...(pgpKey === undefined ? [] : ["`pgpKey` must be left out, got one: the stand-in encrypts no keys"]),
    ],
    async create(news, context) {
      const region = regionOf(account, news);
      const name = news.name ?? `${news.namePrefix ?? ""}${randomBytes(13).toString("hex")}`;
      const order = { name, region, tags: allTags(account, news.tags) };
      const { namePrefix, publicKey } = news;
      const keys = await call(
        account,
        about(publicKey === undefined ? "CreateKeyPair" : "ImportKeyPair", "creating", name, context),
        async () => {
          if (publicKey === undefined) return createKeyPair(account, order);
          await importKeyPair(account, order, publicKey);
          return { publicKey, privateKey: "" };
        },
      );
      return { id: name, outputs: await known(region, name, { namePrefix, ...keys }, context) };
    },
    read: (state, id, context) => {
      const { namePrefix, publicKey, privateKey } = state;
      return found(regionOf(account, state), id, { namePrefix, publicKey, privateKey }, context);
    },
    async update(state, news, context) {
      const { name, namePrefix, publicKey, privateKey } = state;
      const region = regionOf(account, state);
      await call(account, about("TagResource", "updating", name, context), () =>
        tagKeyPair(account, region, name, allTags(account, news.tags)),
      );
      return known(region, name, { namePrefix, publicKey, privateKey }, context);
    },
    async delete(state, id, context) {
      await unlessGone(() =>
        call(account, about("DeleteKeyPair", "deleting", id, context), () =>
          deleteKeyPair(account, regionOf(account, state), id),
        ),
      );
    },
  });
}
