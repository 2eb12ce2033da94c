/** The boot files of a machine with systemd: this project's, and those a machine has (boot/machine/README.md). */
import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { bootFiles, bootRevision } from "../../components/render/machine-files.ts";
import { sha256 } from "../logic/join-files.ts";
import type { SshTransport } from "../schema/common.ts";
import { type ArchivedFile, writeArchive } from "./archive.ts";
import { libraryOf, parseSums } from "./node-files.ts";
import { CommandError } from "./process.ts";
import type { Ssh } from "./ssh.ts";

const PROJECT = join(import.meta.dirname, "../..");
/** Two commands wait for a login that is under way, whose key can be spent only once (boot/machine/again). */
const LOGIN_LOCK = ["flock", "--timeout", "150", "/run/homespan/login.lock"];
const LOGIN_SECONDS = 200;

/** What `systemctl is-active` ends with: https://www.freedesktop.org/software/systemd/man/latest/systemctl.html#Exit%20status */
const [INACTIVE, NO_SUCH_UNIT] = [3, 4];

/** Comes with boot files, before them by its name, and goes when they are started (boot/machine/again). */
const AWAITS_START = "awaits-start";

/** Path below the machine's directory -> sha256; "" for a missing file. */
export type Sums = Readonly<Record<string, string>>;

/** Boot files with what they add up to. */
export interface BootDelivery {
  readonly files: readonly ArchivedFile[];
  readonly sums: Sums;
  readonly revision: string;
}

/** Those of this version of Homespan. */
export async function ownBootFiles(): Promise<BootDelivery> {
  const files = await Promise.all(
    bootFiles.map(async ({ source, path, mode }) => ({
      path,
      mode,
      content: await readFile(join(PROJECT, source), "utf8"),
    })),
  );
  const sums = Object.fromEntries(files.map(({ path, content }) => [path, sha256(content)]));
  return { files, sums, revision: bootRevision(sums) };
}

/** Files of the node that may come before its data directory is there -> their names among the seeds (boot/machine/data.sh). */
export const SEEDS: ReadonlyMap<string, string> = new Map(
  ["boot/ca.pem", "secrets/authkey", "artifacts.conf", "firewall.nft", "steward/node.conf"].map((path) => [
    path,
    `seed/${basename(path)}`,
  ]),
);

/** The node's files as `seeds`, which come with the boot files and which the boot sequence moves to their places, and the `others`, for which that cannot be. */
export function splitSeeds(files: readonly ArchivedFile[]): Record<"seeds" | "others", ArchivedFile[]> {
  const [seeds, others]: [ArchivedFile[], ArchivedFile[]] = [[], []];
  for (const file of files) {
    const path = SEEDS.get(file.path);
    if (path === undefined || file.content.length === 0) others.push(file);
    else seeds.push({ ...file, path });
  }
  return { seeds, others };
}

/** Takes away seeds of a delivery that was left halfway: the boot sequence would put them in the place of what comes now. */
export async function removeSeeds(ssh: Ssh, transport: SshTransport): Promise<void> {
  const finished = await ssh.run(transport, [commandOf(transport), "remove", ...SEEDS.values()]);
  if (finished.code !== 0) throw new CommandError(`removing seeds on ${transport.address}`, finished);
}

/** The revision a machine runs with; "" when its boot files are not all there, or were received and not started. */
export function revisionInForce(sums: Sums): string {
  return (sums[AWAITS_START] ?? "") === "" ? bootRevision(sums) : "";
}

/** Whether seeds came that the boot sequence has not moved to their places yet. */
export function hasSeeds(sums: Sums): boolean {
  return [...SEEDS.values()].some((path) => (sums[path] ?? "") !== "");
}

function commandOf(transport: SshTransport): string {
  return `${libraryOf(transport)}/boot-files`;
}

/** A machine that answers, and takes no commands yet. */
export class NotReady extends Error {}

/**
 * The sums of the boot files a machine has.
 *
 * @throws {@link NotReady}, SshFailure
 */
export async function askBootFiles(ssh: Ssh, transport: SshTransport): Promise<Sums> {
  const paths = [...bootFiles.map(({ path }) => path), AWAITS_START, ...SEEDS.values()];
  const argv = [commandOf(transport), "checksums", ...paths];
  const finished = await ssh.run(transport, argv);
  if (finished.code === 0) return parseSums(finished.stdout);
  // What user-data lays down last, or makes executable last, is missing until it has ended.
  if (finished.code === 126 || finished.code === 127) {
    const log = "/var/log/cloud-init-output.log";
    throw new NotReady(`its user-data has not ended (see ${log} there): ${finished.stderr.trim()}`);
  }
  throw new NotReady(new CommandError("asking for its boot files", finished).message);
}

/**
 * Puts in place what differs from the sums found.
 *
 * @param seeds - of the node's own files, see {@link splitSeeds}
 */
export async function putBootFiles(
  ssh: Ssh,
  transport: SshTransport,
  { files, sums }: BootDelivery,
  found: Sums,
  seeds: readonly ArchivedFile[] = [],
): Promise<void> {
  const different = files.filter(({ path }) => found[path] !== sums[path]);
  if (different.length + seeds.length === 0) return;
  const mark = { path: AWAITS_START, content: "", mode: 0o644 };
  const input = await writeArchive([mark, ...different, ...seeds]);
  const finished = await ssh.run(transport, [commandOf(transport), "receive"], { input });
  if (finished.code !== 0) throw new CommandError(`writing boot files on ${transport.address}`, finished);
}

/** Makes systemd read the units, and the boot sequence run from its beginning. */
export async function startBootFiles(ssh: Ssh, transport: SshTransport): Promise<void> {
  const finished = await ssh.run(transport, [commandOf(transport), "start"], {
    timeoutSeconds: LOGIN_SECONDS,
  });
  if (finished.code !== 0)
    throw new CommandError(`starting the boot sequence on ${transport.address}`, finished);
}

/**
 * Ends tailscaled, so that the next run of the boot sequence starts it and it has to ask its control server who it is: one
 * that runs does not hear that its device was removed (boot/sequence.sh).
 *
 * @returns false when it did not run.
 * @throws CommandError where systemd does not say whether it runs, or does not end it.
 */
export async function stopTailscaled(ssh: Ssh, transport: SshTransport): Promise<boolean> {
  const unit = "tailscaled.service";
  const running = await ssh.run(transport, ["systemctl", "is-active", "--quiet", unit]);
  if (running.code === INACTIVE || running.code === NO_SUCH_UNIT) return false;
  // Taken for one that does not run, it would go on, and the boot sequence would throw the new key away.
  if (running.code !== 0)
    throw new CommandError(`asking whether tailscaled runs on ${transport.address}`, running);
  const argv = [...LOGIN_LOCK, "systemctl", "stop", unit];
  const finished = await ssh.run(transport, argv, { timeoutSeconds: LOGIN_SECONDS });
  if (finished.code !== 0) throw new CommandError(`stopping tailscaled on ${transport.address}`, finished);
  return true;
}
