/** Commands where Lima runs, as the user whose virtual machines they are: on this machine, or on one that SSH reaches. */
import { homebrewPrograms } from "../../components/upstream/lima.ts";
import { fingerprint } from "../logic/ssh-host-key.ts";
import type { Mac } from "../schema/lima.ts";
import type { Finished, Run, RunOptions } from "./process.ts";
import type { SshLogin } from "./ssh-connection.ts";
import { SshFailure, type SshReason, placeOf } from "./ssh-failure.ts";
import type { Ssh } from "./ssh.ts";

export interface Macs {
  /**
   * Runs a program and waits for its end; never throws for an exit code.
   *
   * @throws {@link MacAway} when the Mac cannot be reached, or shows another host key than the known one.
   */
  run(mac: Mac, argv: readonly string[], options?: RunOptions): Promise<Finished>;
}

/** A Mac that cannot be asked: it sleeps, is off, or is another one. */
export class MacAway extends Error {
  readonly failure: SshFailure;
  /** @param rule - what it must do to be taken for the one that is meant */
  constructor(mac: SshLogin, failure: SshFailure, rule = "show the host key that is known of it") {
    super(explain(mac, failure, rule));
    this.failure = failure;
  }
}

function explain(mac: SshLogin, failure: SshFailure, rule: string): string {
  const { reason, shown = "" } = failure;
  const place = placeOf(mac);
  // What SSH itself says of another host key is about a machine with a MachineBoot, which a Mac has not.
  if (reason === "other-machine") {
    return (
      `the Mac ${place} must ${rule}, got ${fingerprint(shown)}. Another Mac answers there, or somebody is in between; if you ` +
      `installed it anew: its new key into \`mac.hostKey\` (docs/lima.md, Another Mac)`
    );
  }
  const text = failure.message.replace(`${place}: `, "");
  return `the Mac ${place} cannot be reached: ${text}. ${hint(reason)}`;
}

function hint(reason: Exclude<SshReason, "other-machine">): string {
  switch (reason) {
    case "silent":
    case "lost":
      return (
        "If it sleeps, wake it; so that it does not fall asleep again, there: sudo pmset -a sleep 0 (System Settings, Energy). " +
        "If it is off, switch it on"
      );
    case "refused":
      return "Let SSH in there: System Settings, General, Sharing, Remote Login";
    case "denied":
      return "See docs/lima.md for the key it must take";
  }
}

/** Nobody waits longer for a Mac that is asleep. */
const CONNECT_SECONDS = 10;
/** A command by SSH starts with a short PATH. */
const withPrograms = `PATH="$PATH:${homebrewPrograms}"; export PATH; exec "$@"`;

export class SystemMacs implements Macs {
  readonly #run: Run;
  readonly #ssh: Ssh;

  constructor(run: Run, ssh: Ssh) {
    this.#run = run;
    this.#ssh = ssh;
  }

  async run(mac: Mac, argv: readonly string[], options: RunOptions = {}): Promise<Finished> {
    const line = ["-c", withPrograms, "sh", ...argv];
    if (mac.kind === "local") return this.#run("/bin/sh", line, options);
    try {
      return await this.#ssh.run(mac, ["/bin/sh", ...line], {
        ...options,
        asUser: true,
        connectSeconds: CONNECT_SECONDS,
      });
    } catch (error) {
      throw error instanceof SshFailure ? new MacAway(mac, error) : error;
    }
  }
}

/** The Mac in an error. */
export function macText(mac: Mac): string {
  return mac.kind === "local" ? "this machine" : placeOf(mac);
}
