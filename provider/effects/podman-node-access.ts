/** Files and boot scripts of a node that is a pod on this machine. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { stewardOfHost } from "../logic/join-conf.ts";
import { type Stage, isReady, parseStages } from "../logic/stage.ts";
import type { PodmanTransport } from "../schema/common.ts";
import { type ArchivedFile, writeArchive } from "./archive.ts";
import { type NodeAccess, SCRIPTS, parseSums } from "./node-files.ts";
import type { Podman } from "./podman.ts";
import { CommandError, type Finished } from "./process.ts";
import { volumeDirectory, writeVolumeFiles } from "./volume-files.ts";

const STAGE_FILE = "steward/stage.json";
/** What the steward gives k3s, too. */
const STOP_SECONDS = 30;

function k3sOf({ container }: PodmanTransport): string {
  return container.replace(/-steward$/, "-k3s");
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

/**
 * {@link NodeAccess} by `podman exec` in the steward. Where this machine has the node's volume files are read and written
 * there, as a program in a container takes a third of a second to start: all of a refresh of many nodes.
 */
export class PodmanNodeAccess implements NodeAccess<PodmanTransport> {
  readonly #podman: Podman;
  /** Steward -> directory of its node's volume. */
  readonly #directories = new Map<string, string>();

  constructor(podman: Podman) {
    this.#podman = podman;
  }

  async put(transport: PodmanTransport, files: readonly ArchivedFile[]): Promise<Record<string, string>> {
    const directory = await this.#directory(transport);
    // A steward that has ended would never read them, and nobody would hear of it.
    if (directory !== undefined && (await this.reachable(transport)))
      return writeVolumeFiles(directory, files);
    const finished = await this.#call(transport, "receive", [], await writeArchive(files));
    if (finished.code !== 0) throw new CommandError(`writing files on ${transport.container}`, finished);
    return parseSums(finished.stdout);
  }

  async checksums(
    transport: PodmanTransport,
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

  async remove(transport: PodmanTransport, paths: readonly string[]): Promise<void> {
    if (paths.length === 0) return;
    const finished = await this.#call(transport, "remove", paths);
    if (finished.code !== 0) throw new CommandError(`removing files on ${transport.container}`, finished);
  }

  async reachable(transport: PodmanTransport): Promise<boolean> {
    const containers = await this.#podman.list("containers");
    return containers.some((container) => container.name === transport.container && container.running);
  }

  async gone(transport: PodmanTransport): Promise<boolean> {
    const containers = await this.#podman.list("containers");
    const pod = transport.container.replace(/-steward$/, "");
    return !containers.some((container) => container.pod === pod && container.running);
  }

  async stages(transport: PodmanTransport): Promise<readonly Stage[] | undefined> {
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

  async show(transport: PodmanTransport, path: string): Promise<string | undefined> {
    const directory = await this.#directory(transport);
    if (directory !== undefined) return (await readHere(directory, path))?.toString();
    const finished = await this.#podman.exec(transport.container, ["cat", `/data/${path}`], {
      timeoutSeconds: 60,
    });
    return finished.code === 0 ? finished.stdout : undefined;
  }

  async readyServers(_transport: PodmanTransport, names: readonly string[]): Promise<readonly string[]> {
    const states = await Promise.all(
      names.map((name) => this.stages({ kind: "podman", container: stewardOfHost(name) })),
    );
    return names.filter((_, index) => isReady(states[index]));
  }

  async stopK3s(transport: PodmanTransport): Promise<boolean> {
    const finished = await this.#call(transport, "k3s-stop", []);
    // Where it has ended nobody starts k3s again.
    if (finished.code !== 0 && (await this.reachable(transport))) return false;
    // The steward would do it within seconds, but does not say when it is done.
    const argv = ["stop", "--ignore", `--time=${String(STOP_SECONDS)}`, k3sOf(transport)];
    return this.#podman.command(argv).then(
      () => true,
      () => false,
    );
  }

  async restartK3s(transport: PodmanTransport): Promise<void> {
    await this.#call(transport, "k3s-start", []);
    // The steward's own k3s-stop only asks for a stop; a restart of the container is over when it returns.
    await this.#podman.command(["restart", k3sOf(transport)]);
  }

  async #directory({ container }: PodmanTransport): Promise<string | undefined> {
    const known = this.#directories.get(container);
    if (known !== undefined && existsSync(known)) return known;
    const directory = await volumeDirectory(this.#podman, container.replace(/-steward$/, "-data"));
    if (directory !== undefined) this.#directories.set(container, directory);
    return directory;
  }

  #call(
    transport: PodmanTransport,
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
