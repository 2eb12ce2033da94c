/** The shape of the pin table (`pins.ts`). */
import type { Group } from "./types.ts";

/** Go's names for a platform: `linux/amd64` and so on. */
export type Platform = "linux/amd64" | "linux/arm64" | "darwin/amd64" | "darwin/arm64";

export const LINUX = ["linux/amd64", "linux/arm64"] as const satisfies readonly Platform[];
export const ALL = [
  "linux/amd64",
  "linux/arm64",
  "darwin/amd64",
  "darwin/arm64",
] as const satisfies readonly Platform[];

/** An official release file and the published file its checksum is in. */
export interface ReleaseFile {
  readonly url: string;
  /**
   * A file of `<hex>  <name>` lines, or one with nothing but the hex digest. The digest's length says which
   * algorithm it is (SHA-1, SHA-256 or SHA-512: projects differ).
   */
  readonly sums: string;
}

export interface DownloadPin {
  readonly version: string;
  /** How the release file is packed; `none` is the program itself. */
  readonly archive: "none" | "tar.gz";
  /** What is taken out of it: path in the archive -> path in the tool's folder. */
  readonly files: Readonly<Record<string, string>>;
  readonly platforms: Readonly<Partial<Record<Platform, ReleaseFile>>>;
}

/** A main module of our own that requires the tool's module. */
export interface FreshBase {
  readonly kind: "fresh";
  /** `module@version`, added by `go get`, which also resolves what they need. */
  readonly get?: readonly string[];
  /** `module@version`, written into go.mod as it is, for modules whose full graph does not resolve. */
  readonly require?: readonly string[];
  readonly replace?: readonly string[];
}

/** A writable copy of the tool's module, for modules whose own go.mod (replaces, go.sum) is part of the recipe. */
export interface CopyBase {
  readonly kind: "copy";
  readonly module: string;
  readonly version: string;
  readonly get?: readonly string[];
  readonly replace?: readonly string[];
  /** Deletes the module's vendor folder, which would hide what `get` brings. */
  readonly dropVendor?: true;
  /** Files copied before building: from (a file, or a folder's content) -> to, both inside the copy. */
  readonly copyFiles?: Readonly<Record<string, string>>;
}

/** One `go build`. */
export interface Build {
  /** Package path; below the copy when it starts with `./`. */
  readonly package: string;
  /** File name in the tool's folder. */
  readonly output: string;
}

/** One main module and the programs built in it. */
export interface BuildSet {
  /** Name of the folder below `$CACHE/src`; recipes with the same name and base share it. */
  readonly workspace: string;
  readonly base: FreshBase | CopyBase;
  readonly builds: readonly Build[];
  /** A folder of this project whose files are the main module's own program. @default none */
  readonly ownFiles?: string;
  /** Files of the copy that a program reads when it runs: path in the copy -> path in the tool's folder. @default none */
  readonly assets?: Readonly<Record<string, string>>;
  /** @default false (CGO_ENABLED=0) */
  readonly cgo?: true;
  readonly tags?: readonly string[];
  /** Packages, as a pattern of Go's, that are compiled without optimization: generated ones that take minutes and hardly ever run. */
  readonly unoptimized?: string;
  /** Appended to `-s -w`; `{goversion}` becomes the version of the Go in use. */
  readonly ldflags?: string;
}

export interface ModulesPin {
  /** The version of the tool that this recipe gives. */
  readonly version: string;
  readonly sets: readonly BuildSet[];
  readonly platforms: readonly Platform[];
  /** Wall time with empty Go caches on two cores, in seconds. */
  readonly expectedSeconds: number;
  /** What the build adds to the Go caches, in GiB; checked against the free space first. */
  readonly cacheGiB: number;
}

export interface ToolPin {
  readonly name: string;
  readonly group: Group;
  readonly purpose: string;
  /** `image`: only needed where container images are built on this machine. */
  readonly use: "host" | "image";
  /** The official release of this tool carries it, so it is only needed where that tool was built from modules. */
  readonly includedIn?: string;
  /** A program of this name on PATH, at least as new as the module pin, is used instead. */
  readonly onPath?: string;
  /** The file that `toolPath` names; `.` is the folder. @default the tool's name */
  readonly main?: string;
  /** Names in `$CACHE/bin` -> files of the tool's folder. */
  readonly links: Readonly<Record<string, string>>;
  /** Further places below the cache, with `{os}` and `{arch}` -> files of the tool's folder: where another program looks for it. */
  readonly places?: Readonly<Record<string, string>>;
  /** A Pulumi resource plugin: an official release goes into Pulumi's plugin cache under its own version. */
  readonly plugin?: string;
  readonly download?: DownloadPin;
  readonly modules?: ModulesPin;
}

export const GITHUB = "https://github.com";

/** One release file per platform, from a function of Go's os and arch names. */
export function perPlatform(
  platforms: readonly Platform[],
  file: (os: string, arch: string) => ReleaseFile,
): DownloadPin["platforms"] {
  return Object.fromEntries(
    platforms.map((platform) => {
      const [os = "", arch = ""] = platform.split("/");
      return [platform, file(os, arch)];
    }),
  );
}
