/** The few things the toolchain asks of Podman. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";

/** An image in Podman's store, under one of its names. */
export interface StoredImage {
  readonly id: string;
  readonly size: number;
  /** Of its own manifest first, then of the lists it was pulled through. */
  readonly digests: readonly string[];
  /** The label `homespan.recipe`; absent on images that were pulled. */
  readonly recipe?: string;
}

/** The label that says which inputs an image was built from. */
export const recipeLabel = "homespan.recipe";

/** The label that says in words what is inside an image. */
export const sourceLabel = "homespan.source";

/** Runs podman; the error names the command and ends in podman's own last words. */
export async function podman(
  cache: string,
  args: readonly string[],
  onLine?: (line: string) => void,
): Promise<string> {
  const settings = join(cache, "containers.conf");
  const child = execa("podman", args, {
    // The limits of this machine, where it has any; a caller who set them already wins.
    env:
      process.env["CONTAINERS_CONF"] === undefined && existsSync(settings)
        ? { CONTAINERS_CONF: settings }
        : {},
    stdin: "ignore",
    reject: false,
    all: true,
  });
  if (onLine !== undefined) for await (const line of child.iterable({ from: "all" as const })) onLine(line);
  const result = await child;
  if (result.failed) {
    throw new Error(
      `podman ${args[0] ?? ""} failed: ${result.stderr.split("\n").slice(-5).join("\n") || result.shortMessage}`,
    );
  }
  return result.stdout;
}

/** Every image in the store by name; one call, 0.1 s. */
export async function storedImages(cache: string): Promise<ReadonlyMap<string, StoredImage>> {
  return parseImages(await podman(cache, ["images", "--format", "json"]));
}

/** Reads `podman images --format json`. */
export function parseImages(json: string): ReadonlyMap<string, StoredImage> {
  const found = new Map<string, StoredImage>();
  const entries = JSON.parse(json === "" ? "[]" : json) as readonly {
    readonly Id: string;
    readonly Size: number;
    readonly Labels?: Readonly<Record<string, string>> | null;
    readonly Names?: readonly string[] | null;
    readonly Digest?: string;
    readonly RepoDigests?: readonly string[] | null;
  }[];
  for (const { Id, Size, Labels, Names, Digest, RepoDigests } of entries) {
    const lists = (RepoDigests ?? []).map((reference) => reference.replace(/^.*@/u, ""));
    const digests = [...new Set([...(Digest === undefined ? [] : [Digest]), ...lists])];
    const recipe = Labels?.[recipeLabel];
    for (const name of Names ?? []) {
      found.set(name, { id: Id, size: Size, digests, ...(recipe === undefined ? {} : { recipe }) });
    }
  }
  return found;
}
