/**
 * Files and boot scripts of a node, whichever way it is reached. Every script is one of /usr/lib/homespan on the node:
 * images/steward/README.md and boot/machine/README.md say what each reads and prints.
 */
import type { SshTransport, Transport } from "../schema/common.ts";
import type { Stage } from "../logic/stage.ts";
import type { ArchivedFile } from "./archive.ts";

/** Where the scripts are. */
export const SCRIPTS = "/usr/lib/homespan";

/** Where they are on a machine that is reached by SSH. */
export function libraryOf({ library }: Pick<SshTransport, "library">): string {
  return library ?? SCRIPTS;
}

/**
 * Commands on a node. Who only asks gets no answer from a node that cannot be reached, or is not the one it was; who
 * changes something gets an error.
 */
export interface NodeAccess<T extends Transport = Transport> {
  /**
   * Writes files, each atomically, whatever their order: those that others wait for, join.conf, secrets/authkey and then
   * steward/node.conf, come in place last. Returns path -> sha256.
   */
  put(transport: T, files: readonly ArchivedFile[]): Promise<Record<string, string>>;
  /** Path -> sha256 as found, "" for a missing file. `undefined` when the node cannot be asked. */
  checksums(transport: T, paths: readonly string[]): Promise<Record<string, string> | undefined>;
  remove(transport: T, paths: readonly string[]): Promise<void>;
  /** True while commands can be run on the node. */
  reachable(transport: T): Promise<boolean>;
  /** True when nothing of the machine runs any more. */
  gone(transport: T): Promise<boolean>;
  /** The stages the boot sequence went through; `undefined` when the node cannot be asked or has none yet. */
  stages(transport: T): Promise<readonly Stage[] | undefined>;
  /** A file's content, or `undefined`. */
  show(transport: T, path: string): Promise<string | undefined>;
  /** Of these servers of the node's cluster, by tailnet name, those that are Ready. */
  readyServers(transport: T, names: readonly string[]): Promise<readonly string[]>;
  /**
   * Stops k3s, and keeps it so: an etcd member that left joins again as soon as k3s starts, which is within seconds by itself.
   * False when the node cannot be asked, or does not do it.
   */
  stopK3s(transport: T): Promise<boolean>;
  /** Stops and starts k3s, one that was kept stopped too; a kubelet registers its Node when it starts, and only then. */
  restartK3s(transport: T): Promise<void>;
}

/** Path -> sha256 from what `receive` and `checksums` print; "" for a missing file. */
export function parseSums(text: string): Record<string, string> {
  const sums: Record<string, string> = {};
  for (const line of text.split("\n")) {
    const match = /^([0-9a-f]{64}|-) {2}(.+)$/.exec(line);
    if (match?.[1] !== undefined && match[2] !== undefined) sums[match[2]] = match[1] === "-" ? "" : match[1];
  }
  return sums;
}
