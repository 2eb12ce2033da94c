/** The keys of whoever runs Pulumi, for the first contact with a machine that knows no key of the cluster yet. */
import { readFile } from "node:fs/promises";
import type { SshTransport } from "../schema/common.ts";
import type { SshLogin } from "./ssh-connection.ts";

/** Names a file with a private key without a passphrase. Where the key lies differs from machine to machine. */
export const userKeyVariable = "HOMESPAN_SSH_KEY";

/** Ways to log in at a place, in the order in which they are tried. */
export type UserLogins = (place: SshTransport) => Promise<readonly SshLogin[]>;

/** {@link UserLogins} from the environment: the file that {@link userKeyVariable} names, then the ssh-agent's keys. */
export function userLogins(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): UserLogins {
  return async (place) => {
    const file = environment[userKeyVariable] ?? "";
    const agent = environment["SSH_AUTH_SOCK"] ?? "";
    return [
      ...(file === "" ? [] : [{ ...place, privateKey: await readKey(file) }]),
      ...(agent === "" ? [] : [{ ...place, agent }]),
    ];
  };
}

async function readKey(file: string): Promise<string> {
  const refuse = (reason: string): Error =>
    new Error(`\`${userKeyVariable}\` must name a private key without a passphrase, ${file}: ${reason}`);
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    throw refuse(error instanceof Error ? error.message : String(error));
  });
  const { default: ssh2 } = await import("ssh2");
  const parsed = ssh2.utils.parseKey(text);
  if (parsed instanceof Error) {
    throw refuse(`${parsed.message}; an ssh-agent can use a key with a passphrase: ssh-add ${file}`);
  }
  return text;
}
