/**
 * Files and boot scripts of a node, through its transport. Every script is one of /usr/lib/homespan in the steward's
 * image (images/steward/README.md says what each reads and prints).
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Transport } from "../schema/common.ts";
import { type Stage, parseStages } from "../logic/stage.ts";
import { type ArchivedFile, writeArchive } from "./archive.ts";
import type { Podman } from "./podman.ts";
import { CommandError, type Finished } from "./process.ts";

const SCRIPTS = "/usr/lib/homespan";
const STAGE_FILE = "steward/stage.json";

/** Commands on a node. */
export interface NodeAccess {
  /**
   * Writes files, each atomically, whatever their order: `receive` puts those that others wait for, join.conf and then
   * steward/node.conf, in place last. Returns path -> sha256.
   */
  put(transport: Transport, files: readonly ArchivedFile[]): Promise<Record<string, string>>;
  /** Path -> sha256 as found, "" for a missing file. `undefined` when the node cannot be asked. */
  checksums(transport: Transport, paths: readonly string[]): Promise<Record<string, string> | undefined>;
  remove(transport: Transport, paths: readonly string[]): Promise<void>;
  /** True while commands can be run on the node. */
  reachable(transport: Transport): Promise<boolean>;
  /** True when nothing of the machine runs any more. */
  gone(transport: Transport): Promise<boolean>;
  /** The stages the boot sequence went through; `undefined` when the node cannot be asked or has none yet. */
  stages(transport: Transport): Promise<readonly Stage[] | undefined>;
  /** A file's content, or `undefined`. */
  show(transport: Transport, path: string): Promise<string | undefined>;
  /** Stops and starts k3s; a kubelet registers its Node when it starts, and only then. */
  restartK3s(transport: Transport): Promise<void>;
}

/** A file below a directory of this machine, or `undefined`. */
async function readHere(directory: string, path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(join(directory, path));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function parseSums(text: string): Record<string, string> {
  const sums: Record<string, string> = {};
  for (const line of text.split("\n")) {
    const match = /^([0-9a-f]{64}|-) {2}(.+)$/.exec(line);
    if (match?.[1] !== undefined && match[2] !== undefined) sums[match[2]] = match[1] === "-" ? "" : match[1];
  }
  return sums;
}

/**
 * {@link NodeAccess} by `podman exec` in the steward. What is only read comes straight from the node's volume where this
 * machine has it, as a program in a container takes a third of a second to start: all of a refresh of many nodes.
 */
export class PodmanNodeAccess implements NodeAccess {
  readonly #podman: Podman;
  /** Steward -> directory of its node's volume. */
  readonly #directories = new Map<string, string>();

  constructor(podman: Podman) {
    this.#podman = podman;
  }

  async put(transport: Transport, files: readonly ArchivedFile[]): Promise<Record<string, string>> {
    const finished = await this.#call(transport, "receive", [], await writeArchive(files));
    if (finished.code !== 0) throw new CommandError(`writing files on ${transport.container}`, finished);
    return parseSums(finished.stdout);
  }

  async checksums(
    transport: Transport,
    paths: readonly string[],
  ): Promise<Record<string, string> | undefined> {
    if (paths.length === 0) return {};
    const directory = await this.#directory(transport);
    if (directory !== undefined) {
      const sums = paths.map(async (path) => {
        const content = await readHere(directory, path);
        return [
          path,
          content === undefined ? "" : createHash("sha256").update(content).digest("hex"),
        ] as const;
      });
      return Object.fromEntries(await Promise.all(sums));
    }
    const finished = await this.#call(transport, "checksums", paths);
    if (finished.code !== 0) return undefined;
    const found = parseSums(finished.stdout);
    return Object.fromEntries(paths.map((path) => [path, found[path] ?? ""]));
  }

  async remove(transport: Transport, paths: readonly string[]): Promise<void> {
    if (paths.length === 0) return;
    const finished = await this.#call(transport, "remove", paths);
    if (finished.code !== 0) throw new CommandError(`removing files on ${transport.container}`, finished);
  }

  async reachable(transport: Transport): Promise<boolean> {
    const containers = await this.#podman.list("containers");
    return containers.some((container) => container.name === transport.container && container.running);
  }

  async gone(transport: Transport): Promise<boolean> {
    const containers = await this.#podman.list("containers");
    const pod = transport.container.replace(/-steward$/, "");
    return !containers.some((container) => container.pod === pod && container.running);
  }

  async stages(transport: Transport): Promise<readonly Stage[] | undefined> {
    const directory = await this.#directory(transport);
    if (directory !== undefined) {
      // The file of a steward that has ended says what was.
      if (!(await this.reachable(transport))) return undefined;
      const content = await readHere(directory, STAGE_FILE);
      return content === undefined ? undefined : parseStages(content.toString());
    }
    const finished = await this.#call(transport, "stage", []);
    return finished.code === 0 ? parseStages(finished.stdout) : undefined;
  }

  async show(transport: Transport, path: string): Promise<string | undefined> {
    const directory = await this.#directory(transport);
    if (directory !== undefined) return (await readHere(directory, path))?.toString();
    const finished = await this.#podman.exec(transport.container, ["cat", `/data/${path}`], {
      timeoutSeconds: 60,
    });
    return finished.code === 0 ? finished.stdout : undefined;
  }

  async restartK3s(transport: Transport): Promise<void> {
    // The steward's own k3s-stop only asks for a stop; a restart of the container is over when it returns.
    await this.#podman.command(["restart", transport.container.replace(/-steward$/, "-k3s")]);
  }

  async #directory({ container }: Transport): Promise<string | undefined> {
    const known = this.#directories.get(container);
    if (known !== undefined && existsSync(known)) return known;
    const name = container.replace(/-steward$/, "-data");
    const volume = (await this.#podman.list("volumes")).find((candidate) => candidate.name === name);
    if (volume === undefined || !volume.mountpoint || !existsSync(volume.mountpoint)) return undefined;
    this.#directories.set(container, volume.mountpoint);
    return volume.mountpoint;
  }

  #call(
    transport: Transport,
    script: string,
    args: readonly string[],
    input?: Uint8Array,
  ): Promise<Finished> {
    return this.#podman.exec(transport.container, [`${SCRIPTS}/${script}`, ...args], {
      ...(input === undefined ? {} : { input }),
      timeoutSeconds: 60,
    });
  }
}
