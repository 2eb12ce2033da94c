/** The environment in which every tool runs; `./homespan env` prints the same. */
import { existsSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import type { Paths } from "./paths.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** What this project adds to the caller's environment. */
export function toolEnvironment(paths: Paths, caller: Environment): Record<string, string> {
  const containersConf = join(paths.cache, "containers.conf");
  const images = join(paths.cache, "images", "cluster");
  const terraform = join(paths.cache, "terraform");
  const ownPassphrase = caller["PULUMI_CONFIG_PASSPHRASE"] !== undefined;
  return {
    HOMESPAN_CACHE: paths.cache,
    HOMESPAN_STATE: paths.state,
    HOMESPAN_CONFIG: paths.config,
    PULUMI_HOME: pulumiHome(paths, caller),
    PULUMI_BACKEND_URL: backendUrl(paths.backend),
    ...(ownPassphrase ? {} : { PULUMI_CONFIG_PASSPHRASE_FILE: paths.passphrase }),
    PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER: "true",
    PULUMI_SKIP_UPDATE_CHECK: "true",
    ...(existsSync(containersConf) ? { CONTAINERS_CONF: containersConf } : {}),
    // Terraform providers that were built here; the bridge downloads none that is there.
    ...(existsSync(terraform) ? { PULUMI_DYNAMIC_TF_PLUGIN_CACHE_DIR: terraform } : {}),
    ...(existsSync(images) ? { HOMESPAN_CLUSTER_IMAGES: images } : {}),
    PATH: frontOfPath([paths.bin, dirname(process.execPath)], caller["PATH"]),
  };
}

/**
 * Pulumi's state in a folder, without files of metadata beside it. Those are emptied before they are written, and whoever is killed in
 * between leaves a state that cannot be read any more ("failed to load checkpoint: EOF"); the state itself is replaced as a whole.
 * https://pkg.go.dev/gocloud.dev/blob/fileblob
 */
export function backendUrl(folder: string): string {
  return `file://${folder}?metadata=skip`;
}

/** A rehearsal's stand-in plugins bear the names of real ones, so they are in a home of their own. */
function pulumiHome(paths: Paths, caller: Environment): string {
  const rehearsal = caller["HOMESPAN_REHEARSAL"];
  return rehearsal === undefined || rehearsal === ""
    ? join(paths.cache, "pulumi-home")
    : join(rehearsal, "pulumi-home");
}

/** The caller's environment with `toolEnvironment` over it. */
export function childEnvironment(paths: Paths, caller: Environment): Record<string, string> {
  const inherited = Object.entries(caller).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  );
  return { ...Object.fromEntries(inherited), ...toolEnvironment(paths, caller) };
}

/** POSIX `export` lines, safe for `eval`. */
export function exportLines(environment: Readonly<Record<string, string>>): string {
  return Object.entries(environment)
    .map(([name, value]) => `export ${name}='${value.replaceAll("'", `'\\''`)}'`)
    .join("\n");
}

export function frontOfPath(folders: readonly string[], path = ""): string {
  const rest = path.split(delimiter).filter((folder) => folder !== "" && !folders.includes(folder));
  return [...folders, ...rest].join(delimiter);
}
