/** Doctor's way to machines that SSH reaches: the ssh of this machine, told nothing by its user's configuration. */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { Context } from "../context.ts";
import { revealOutputs } from "../deployment.ts";
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

/** The cluster's key, which a machine that joined lets in; undefined where there are no outputs yet. */
export async function clusterKeyOf(context: Context, stack: string): Promise<string | undefined> {
  const outputs = await revealOutputs(context, stack).catch((): Record<string, unknown> => ({}));
  const key = outputs["sshPrivateKey"];
  return typeof key === "string" ? key : undefined;
}

/**
 * The arguments of ssh but for the command. Keys of the agent come by themselves. Without a known host key nothing may be told
 * to the machine but a script that only looks.
 */
export async function sshArguments(
  context: Context,
  { address, port, user, hostKey }: SshPlace,
  { folder, clusterKey }: { readonly folder: string; readonly clusterKey: string | undefined },
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
    ...(clusterKey === undefined ? [] : ["-i", await write("ssh-key", clusterKey)]),
    ...(own === "" ? [] : ["-i", own]),
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
 */
export function sshProblem(said: string, { user, address, port }: SshPlace, anotherKey: string): Check {
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
    return problem(
      `${place} does not take a key of yours`,
      `name one in ${keyVariable} (a file without a passphrase), or give it to an ssh-agent (ssh-add)`,
    );
  }
  return problem(
    `${place} does not answer: ${last}`,
    `is it on, awake, and reached from here? ssh ${user}@${address} -p ${String(port)}`,
  );
}
