/** Login keys of the stand-in for Tailscale's API. https://tailscale.com/api#tag/keys */
import { z } from "zod";
import { type Account, type LoginKey, newId } from "./account.ts";
import type { Control } from "./control.ts";
import type { Caller } from "./credentials.ts";
import { ApiError, type ApiResponse, json, parseBody } from "./http.ts";
import { ownedTags, parsePolicy } from "./policy.ts";

const DAY = 24 * 3600;
/** https://tailscale.com/kb/1085/auth-keys: 90 days, which is the most there is. */
const EXPIRY_SECONDS = 90 * DAY;

const order = z.strictObject({
  keyType: z.literal("auth").optional(),
  capabilities: z.strictObject({
    devices: z.strictObject({
      create: z
        .strictObject({
          reusable: z.boolean().default(false),
          ephemeral: z.boolean().default(false),
          preauthorized: z.boolean().default(false),
          // Go's clients send `null` for no tag.
          tags: z.array(z.string()).nullish(),
        })
        .default({ reusable: false, ephemeral: false, preauthorized: false }),
    }),
  }),
  expirySeconds: z.number().int().min(0).max(EXPIRY_SECONDS).optional(),
  description: z
    .string()
    .regex(/^[A-Za-z0-9 _-]{0,50}$/, "must be at most 50 letters, digits, spaces, hyphens and underscores")
    .default(""),
});

export interface KeyContext {
  readonly account: Account;
  readonly control: Control;
  readonly now: number;
}

export async function createKey(
  { account, control, now }: KeyContext,
  caller: Caller,
  body: string,
): Promise<ApiResponse> {
  const { capabilities, expirySeconds, description } = parseBody(order, body);
  const wanted = capabilities.devices.create;
  const tags = wanted.tags ?? [];
  const owned = ownedTags(parsePolicy(account.books.policy));
  const wrong = tags.filter((tag) => !owned.has(tag));
  if (wrong.length > 0) {
    throw new ApiError(400, `requested tags [${wrong.join(" ")}] are invalid or not permitted`);
  }
  if (caller === "client" && tags.length === 0) {
    throw new ApiError(400, "keys made by an OAuth client must have tags");
  }
  const seconds = expirySeconds === undefined || expirySeconds === 0 ? EXPIRY_SECONDS : expirySeconds;
  const { reusable, ephemeral, preauthorized } = wanted;
  const made = await control.createKey({ reusable, ephemeral, tags, expirySeconds: seconds });
  const id = newId("k");
  const key: LoginKey = {
    control: made.id,
    description,
    created: new Date(now).toISOString(),
    expires: new Date(now + seconds * 1000).toISOString(),
    expirySeconds: seconds,
    ...{ reusable, ephemeral, preauthorized, tags },
    userId: caller === "user" ? account.books.userId : "",
  };
  await account.change((books) => ({ keys: { ...books.keys, [id]: key } }));
  return json({ ...shown(id, key, false), key: made.key });
}

/** A key that is revoked or over is still answered for, as invalid; one that is used up is not. */
export async function getKey({ account, control, now }: KeyContext, id: string): Promise<ApiResponse> {
  const known = await control.keys();
  const key = find(account, known, id);
  return json(shown(id, key, !isValid(key, known, now)));
}

/** Those that still let a device in. */
export async function listKeys({ account, control, now }: KeyContext): Promise<ApiResponse> {
  const known = await control.keys();
  const valid = Object.entries(account.books.keys).filter(([, key]) => isValid(key, known, now));
  return json({ keys: valid.map(([id, key]) => ({ id, keyType: "auth", description: key.description })) });
}

export async function removeKey({ account, control, now }: KeyContext, id: string): Promise<ApiResponse> {
  const key = find(account, await control.keys(), id);
  if (key.revoked !== undefined) throw new ApiError(404, "key not found");
  await control.removeKey(key.control);
  const revoked: LoginKey = { ...key, revoked: new Date(now).toISOString() };
  await account.change((books) => ({ keys: { ...books.keys, [id]: revoked } }));
  return json(null);
}

type Known = Awaited<ReturnType<Control["keys"]>>;

function find(account: Account, known: Known, id: string): LoginKey {
  const key = account.books.keys[id];
  if (key === undefined || isUsedUp(key, known)) throw new ApiError(404, "key not found");
  return key;
}

function isUsedUp(key: LoginKey, known: Known): boolean {
  return !key.reusable && known.get(key.control)?.used === true;
}

function isValid(key: LoginKey, known: Known, now: number): boolean {
  const lives = key.revoked === undefined && Date.parse(key.expires) > now;
  return lives && known.has(key.control) && !isUsedUp(key, known);
}

function shown(id: string, key: LoginKey, invalid: boolean): Record<string, unknown> {
  const { reusable, ephemeral, preauthorized, tags } = key;
  return {
    id,
    keyType: "auth",
    description: key.description,
    expirySeconds: key.expirySeconds,
    created: seconds(key.created),
    expires: seconds(key.expires),
    ...(key.revoked === undefined ? {} : { revoked: seconds(key.revoked) }),
    invalid,
    capabilities: { devices: { create: { reusable, ephemeral, preauthorized, tags } } },
    userId: key.userId,
  };
}

/** The API's times have no fractions. */
export function seconds(time: string | number): string {
  return new Date(time).toISOString().replace(/\.\d+Z$/, "Z");
}
