/** Doctor's way to machines that SSH reaches: the ssh of this machine, told nothing by its user's configuration. */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { Context } from "../context.ts";
import { readResources } from "../deployment.ts";
import { machineNodes } from "../machine-nodes.ts";
import { writePrivate } from "../state.ts";
import type { Check } from "./checks.ts";

const keyVariable = "HOMESPAN_SSH_KEY";

export interface SshPlace {
  readonly address: string;
  readonly port: number;
  readonly user: string;
  /** What it must show; undefined: whatever it shows. */
  readonly hostKey: string | undefined;
}

/** What lets this machine in where the cluster's key was let in. */
export interface ClusterAccess {
  /** PEM. */
  readonly key: string;
  /** The line of authorized_keys for it. */
  readonly line: string;
}

/** Undefined where the stack has not made it yet. */
export async function clusterAccess(context: Context, stack: string): Promise<ClusterAccess | undefined> {
  const resources = await readResources(context.paths, stack);
  const line = resources.find(({ type }) => type === "homespan:index:SshKey")?.outputs?.["publicKey"];
  // Nothing is started to find out that there is none.
  if (typeof line !== "string") return undefined;
  // From the state: the outputs of an `up` that did not end have none.
  const key = (await machineNodes(context, stack).catch(() => undefined))?.privateKey ?? "";
  return key === "" ? undefined : { key, line };
}

/**
 * The arguments of ssh but for the command. Keys of the agent come by themselves; those in ~/.ssh do not, as the provider, which
 * looks again when it changes the machine, does not try them. Without a known host key nothing may be told
 * to the machine but a script that only looks.
 */
export async function sshArguments(
  context: Context,
  { address, port, user, hostKey }: SshPlace,
  { folder, access }: { readonly folder: string; readonly access: ClusterAccess | undefined },
): Promise<string[]> {
  const write = async (name: string, content: string): Promise<string> => {
    const file = join(folder, `${name}-${randomUUID()}`);
    await writePrivate(file, content);
    return file;
  };
  const own = context.environment[keyVariable] ?? "";
  const host = port === 22 ? address : `[${address}]:${String(port)}`;
  const options =
    hostKey === undefined
      ? ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null"]
      : [
          "StrictHostKeyChecking=yes",
          `UserKnownHostsFile=${await write("known-hosts", `${host} ${hostKey}\n`)}`,
        ];
  return [
    ...["-F", "none", "-p", String(port)],
    ...(access === undefined ? [] : ["-i", await write("ssh-key", access.key)]),
    ...(own === "" ? [] : ["-i", own]),
    ...(access === undefined && own === "" ? ["-o", "IdentityFile=none"] : []),
    ...["BatchMode=yes", "ConnectTimeout=8", "LogLevel=ERROR", ...options].flatMap((option) => [
      "-o",
      option,
    ]),
    `${user}@${address}`,
  ];
}

/**
 * Why ssh did not come to run a command, in doctor's words.
 *
 * @param anotherKey - the fix where the host key is another one than the known
 * @param access - the cluster's, by which it may be let in
 */
export function sshProblem(
  said: string,
  { user, address, port }: SshPlace,
  { anotherKey, access }: { readonly anotherKey: string; readonly access: ClusterAccess | undefined },
): Check {
  const place = `${user}@${address}:${String(port)}`;
  const last = said.split("\n").at(-1) ?? "";
  const problem = (message: string, fix: string): Check => ({ name: "ssh", result: "problem", message, fix });
  if (/sudo/.test(said)) {
    return problem(
      `${place}: ${user} cannot become root without a password (${last})`,
      `there: echo '${user} ALL=(ALL) NOPASSWD: ALL' | sudo tee /etc/sudoers.d/homespan`,
    );
  }
  if (/Host key verification failed|REMOTE HOST IDENTIFICATION/i.test(said)) {
    return problem(`${place} shows another host key than the known one`, anotherKey);
  }
  if (/Permission denied/i.test(said)) {
    const other =
      access === undefined
        ? ""
        : `; or put this line into ~/.ssh/authorized_keys of ${user} there: ${access.line}`;
    return problem(
      `${place} does not take a key of yours`,
      `name one in ${keyVariable} (a file without a passphrase), or give it to an ssh-agent (ssh-add)${other}`,
    );
  }
  return problem(
    `${place} does not answer: ${last}`,
    `is it on, awake, and reached from here? ssh ${user}@${address} -p ${String(port)}`,
  );
}
