/** What Lightsail itself checks before it does something, and what several resources share. */
import { randomBytes, randomUUID } from "node:crypto";
import {
  lightsailBlueprintIds,
  lightsailNames,
  lightsailQuotas,
  lightsailRegions,
  type LightsailRegion,
  lightsailRegionNames,
} from "../../../../components/upstream/lightsail.ts";
import { lightsailBundles } from "../../../../components/upstream/lightsail-prices.ts";
import { accountId } from "../account.ts";
import type { AwsBooks } from "../books.ts";
import { invalidInput, notFound } from "../errors.ts";

function regionOf(name: string): LightsailRegion {
  const known = lightsailRegionNames.find((region) => region === name);
  if (known === undefined) throw invalidInput(`The specified region does not exist: ${name}`);
  return lightsailRegions[known];
}

/** `arn:aws:lightsail:eu-central-1:123456789012:Instance/<uuid>`. */
export function newArn(region: string, kind: string): string {
  return `arn:aws:lightsail:${region}:${accountId}:${kind}/${randomUUID()}`;
}

/** `123456789012/i-0123456789abcdef0`. */
export function newSupportCode(prefix: string): string {
  return `${accountId}/${prefix}-0${randomBytes(8).toString("hex")}`;
}

/** `2026-11-21T12:00:00Z`, as the plugin writes times. */
export function timeText(date: Date): string {
  return date.toISOString().replace(/\.\d+Z$/, "Z");
}

/**
 * Names are unique in a region of an account, whatever they name.
 * https://github.com/hashicorp/terraform-provider-aws/pull/9008
 */
export function checkNewName(books: AwsBooks, name: string): void {
  checkName(name);
  if (name in books.instances || name in books.staticIps || name in books.disks) {
    throw invalidInput(`Some names are already in use: ${name}`);
  }
}

/** The words are Lightsail's. https://github.com/hashicorp/terraform-provider-aws/pull/8647 */
export function checkName(name: string): void {
  const { min, max } = lightsailNames.resourceLength;
  if (/^[\w.-]+$/.test(name) && name.length >= min && name.length <= max) return;
  throw invalidInput(
    `${name} is not a valid resource name. Resource names must be at least 2 characters long and contain only alphanumerics, -, _, and .`,
  );
}

export function checkZone(region: string, zone: string): void {
  const letters = regionOf(region).zones ?? "abcdef";
  const letter = zone.startsWith(region) ? zone.slice(region.length) : "";
  if (letter.length === 1 && letters.includes(letter)) return;
  throw invalidInput(`The specified Availability Zone does not exist in this region: ${zone}`);
}

/** The words are Lightsail's. https://github.com/trailofbits/algo/issues/946 */
export function checkBundle(region: string, bundleId: string): void {
  const variant = regionOf(region).bundleVariant;
  const offered =
    lightsailBundles.has(bundleId) && (variant === undefined || bundleId.endsWith(`_${variant}`));
  if (!offered) throw invalidInput(`The specified bundle does not exist in this region: ${bundleId}`);
}

export function checkBlueprint(blueprintId: string): void {
  if ((lightsailBlueprintIds as readonly string[]).includes(blueprintId)) return;
  throw invalidInput(`The specified blueprint does not exist in this region: ${blueprintId}`);
}

/** https://docs.aws.amazon.com/lightsail/latest/userguide/amazon-lightsail-tags.html */
export function checkTags(tags: Readonly<Record<string, string>>): void {
  if (Object.keys(tags).length > lightsailQuotas.tagsPerResource) {
    throw invalidInput(`A resource has at most ${lightsailQuotas.tagsPerResource} tags`);
  }
  for (const [key, value] of Object.entries(tags)) {
    if (key === "" || key.length > 128 || value.length > 256) {
      throw invalidInput(`A tag's key has 1 to 128 characters and its value at most 256: ${key}`);
    }
    if (/^aws:/i.test(key)) throw invalidInput(`aws: prefixed tag names are not allowed: ${key}`);
  }
}

export function vCpusOf(bundleId: string): number {
  return lightsailBundles.get(bundleId)?.vCpus ?? 0;
}

/** The entry of that name, where it is one of the region's. */
export function entryIn<T extends { readonly region: string }>(
  entries: Readonly<Record<string, T>>,
  region: string,
  name: string,
): T | undefined {
  const entry = entries[name];
  return entry?.region === region ? entry : undefined;
}

/**
 * {@link entryIn}, of what has to be there.
 *
 * @throws ServiceError NotFoundException
 */
export function knownIn<T extends { readonly region: string }>(
  entries: Readonly<Record<string, T>>,
  region: string,
  kind: string,
  name: string,
): T {
  const entry = entryIn(entries, region, name);
  if (entry === undefined) throw notFound(kind, name);
  return entry;
}

/** Entries of one region, with their names. */
export function inRegion<T extends { readonly region: string }>(
  entries: Readonly<Record<string, T>>,
  region: string,
): readonly (readonly [string, T])[] {
  return Object.entries(entries).filter(([, entry]) => entry.region === region);
}
