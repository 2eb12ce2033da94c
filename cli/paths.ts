import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { cacheFolder, type Environment, stateFolder } from "../toolchain/folders.ts";

/** Where things are. Nothing is created here. */
export interface Paths {
  readonly checkout: string;
  /** Tools, images, downloads: can be removed at any time. */
  readonly cache: string;
  /** Pulumi's state, passphrase and per-stack config: removing it loses the stacks. */
  readonly state: string;
  /** Pulumi's file backend. */
  readonly backend: string;
  /** A Pulumi project of the same name without a program: commands that need none run there, away from the committed files. */
  readonly config: string;
  readonly passphrase: string;
  readonly locks: string;
  readonly logs: string;
  /** Temporary files of pulumi and its plugins. */
  readonly temporary: string;
  /** Tools the toolchain made. */
  readonly bin: string;
}

export function resolvePaths(
  environment: Environment,
  checkout: string = dirname(dirname(fileURLToPath(import.meta.url))),
): Paths {
  const cache = cacheFolder(environment);
  const state = stateFolder(environment);
  return {
    checkout,
    cache,
    state,
    backend: join(state, "pulumi"),
    config: join(state, "config"),
    passphrase: join(state, "passphrase"),
    locks: join(state, "locks"),
    logs: join(state, "logs"),
    temporary: join(state, "tmp"),
    bin: join(cache, "bin"),
  };
}
