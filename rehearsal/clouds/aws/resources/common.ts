/** What the resources of Lightsail share. */
import { z } from "zod";
import { lightsailNames } from "../../../../components/upstream/lightsail.ts";
import type { Account } from "../account.ts";
import { isNotFound } from "../errors.ts";

export type Tags = Readonly<Record<string, string>>;

/** Region of the one resource; the provider's where the program gives none. */
export const regionInput = { region: z.string().optional() };
export const tagInputs = { tags: z.record(z.string(), z.string()).optional() };
export const tagOutputs = { tagsAll: z.record(z.string(), z.string()) };

/** @throws Error when neither the resource nor the provider has one */
export function regionOf(account: Account, inputs: { readonly region?: string | undefined }): string {
  const region = inputs.region ?? account.settings.region;
  if (region === "") throw new Error("`region` must be set, got nothing");
  return region;
}

/** Tags with those that the provider gives everything. */
export function allTags(account: Account, tags: Tags | undefined): Tags {
  return { ...account.settings.defaultTags, ...tags };
}

/** Tags as a state has them. */
export function tagState(
  account: Account,
  tagsAll: Tags,
): { readonly tags: Record<string, string> | undefined; readonly tagsAll: Record<string, string> } {
  const { defaultTags } = account.settings;
  const own = Object.entries(tagsAll).filter(([key, value]) => defaultTags[key] !== value);
  return { tags: own.length === 0 ? undefined : Object.fromEntries(own), tagsAll: { ...tagsAll } };
}

/** Name of an instance. internal/service/lightsail/instance.go of terraform-provider-aws */
export const instanceName = z
  .string()
  .min(lightsailNames.resourceLength.min)
  .max(lightsailNames.resourceLength.max)
  .regex(/^[0-9A-Za-z]/, "must begin with an alphanumeric character")
  .regex(
    /^[0-9A-Za-z_.-]+[^_.-]$/,
    "must contain only alphanumeric characters, underscores, hyphens, and dots",
  );

/** Name of a disk. internal/service/lightsail/disk.go of terraform-provider-aws */
export const diskName = instanceName.regex(/^[A-Za-z]/, "must begin with an alphabetic character");

/** For deletions that the plugin takes for done when there is nothing to delete. */
export async function unlessGone(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof Error && isNotFound(error.cause))) throw error;
  }
}
