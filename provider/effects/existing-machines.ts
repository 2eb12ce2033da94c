/** What is done on a machine that somebody else set up, by the scripts in boot/machine/existing. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type MachineFacts, parseMachineProbe } from "../../components/render/machine-probe.ts";
import { sha256 } from "../logic/join-files.ts";
import type { SshTransport } from "../schema/common.ts";
import { printFiles, saysAbsent } from "./absent-file.ts";
import { CommandError } from "./process.ts";
import type { SshLogin } from "./ssh-connection.ts";
import { placeOf } from "./ssh-failure.ts";
import type { Ssh } from "./ssh.ts";

const SCRIPTS = join(import.meta.dirname, "../../boot/machine/existing");
/** With packages from a slow mirror. */
const SETUP_SECONDS = 900;
/** k3s alone may take more than a minute to stop. */
const LEAVE_SECONDS = 300;

/** What tells whose data is on a machine. */
export interface Mark {
  readonly clusterName: string;
  readonly nodeName: string;
  readonly machineId: string;
  readonly identity: string;
}

/**
 * What the machine is like.
 *
 * @throws Error when its user cannot run commands as root, SshFailure
 */
export async function probeMachine(ssh: Ssh, login: SshLogin): Promise<MachineFacts> {
  const finished = await ssh.run(login, ["/bin/sh", "-s"], { input: await script("probe") });
  if (finished.code === 0) return parseMachineProbe(finished.stdout);
  if (/sudo/.test(finished.stderr)) {
    const { user } = login;
    throw new Error(
      `${placeOf(login)}: ${user} must be root, or become root without a password, got "${finished.stderr.trim()}". There: ` +
        `echo '${user} ALL=(ALL) NOPASSWD: ALL' | sudo tee /etc/sudoers.d/homespan (without sudo: as root, apt-get install sudo)`,
    );
  }
  throw new CommandError(`looking at ${login.address}`, finished);
}

/** Remembers what was there before, marks /data, and lets the cluster's key in. */
export async function markMachine(ssh: Ssh, login: SshLogin, mark: Mark, publicKey: string): Promise<void> {
  const { clusterName, nodeName, machineId, identity } = mark;
  const argv = ["/bin/sh", "-s", "--", clusterName, nodeName, machineId, identity, login.user, publicKey];
  const finished = await ssh.run(login, argv, { input: await script("arrive") });
  if (finished.code !== 0) throw new CommandError(`marking ${login.address} as ${nodeName}`, finished);
}

/** Runs what a cloud would run as user-data. */
export async function setUpMachine(ssh: Ssh, transport: SshTransport, setup: string): Promise<void> {
  const options = { input: setup, timeoutSeconds: SETUP_SECONDS };
  const finished = await ssh.run(transport, ["/bin/sh", "-s"], options);
  if (finished.code !== 0) throw new CommandError(`setting up ${transport.address}`, finished);
}

/**
 * Whose data is on the machine: `undefined` when nobody's.
 *
 * @param data directory of the node's data
 * @throws SshFailure, CommandError when the machine does not tell
 */
export async function readMark(
  ssh: Ssh,
  transport: SshTransport,
  connectSeconds: number,
  data = "/data",
): Promise<Pick<Mark, "machineId" | "identity"> | undefined> {
  const path = `${data}/homespan.id`;
  const finished = await ssh.run(transport, printFiles("/etc/machine-id", path), { connectSeconds });
  if (saysAbsent(finished, path)) return undefined;
  if (finished.code !== 0) throw new CommandError(`reading ${path} on ${transport.address}`, finished);
  const [machine = "", ...lines] = finished.stdout.split("\n");
  const identity = lines.find((line) => line.startsWith("ID="))?.slice("ID=".length);
  return identity === undefined ? undefined : { identity, machineId: sha256(`${machine}\n`).slice(0, 16) };
}

/** Takes everything off the machine again. */
export async function clearMachine(ssh: Ssh, transport: SshTransport): Promise<void> {
  const options = { input: await script("leave"), timeoutSeconds: LEAVE_SECONDS };
  const finished = await ssh.run(transport, ["/bin/sh", "-s"], options);
  if (finished.code !== 0) throw new CommandError(`taking Homespan off ${transport.address}`, finished);
}

function script(name: "probe" | "arrive" | "leave"): Promise<string> {
  return readFile(join(SCRIPTS, name), "utf8");
}
