/** Where the toolchain keeps things: all outside the checkout, all below one folder. */
import { homedir } from "node:os";
import { join, resolve } from "node:path";

/** What Go downloads and compiles while all tools are built, as measured. */
export const goCaches = { gib: 20, words: "about 21 GB" } as const;

export type Environment = Readonly<Record<string, string | undefined>>;

/** `HOMESPAN_CACHE`, else `XDG_CACHE_HOME`/homespan, else ~/.cache/homespan. */
export function cacheFolder(environment: Environment = process.env): string {
  return folder(environment, "HOMESPAN_CACHE", "XDG_CACHE_HOME", ".cache");
}

/** `HOMESPAN_STATE`, else `XDG_STATE_HOME`/homespan, else ~/.local/state/homespan. */
export function stateFolder(environment: Environment = process.env): string {
  return folder(environment, "HOMESPAN_STATE", "XDG_STATE_HOME", ".local/state");
}

/** What lasts until the machine's next start, or without root until the user's last login ends: /run, else `XDG_RUNTIME_DIR`. */
export function runtimeFolder(
  environment: Environment = process.env,
  uid: number | undefined = process.getuid?.(),
): string {
  if (uid === undefined || uid === 0) return "/run";
  const given = environment["XDG_RUNTIME_DIR"];
  return given === undefined || given === "" ? `/run/user/${String(uid)}` : resolve(given);
}

/** Of all clusters whose nodes are containers of this machine: the directory of each one's Podman service is below it. */
export function socketsFolder(environment?: Environment, uid?: number): string {
  return join(runtimeFolder(environment, uid), "homespan");
}

function folder(environment: Environment, own: string, xdg: string, fallback: string): string {
  const given = environment[own];
  if (given !== undefined && given !== "") return resolve(given);
  const base = environment[xdg];
  const parent = base === undefined || base === "" ? join(homedir(), fallback) : resolve(base);
  return join(parent, "homespan");
}
