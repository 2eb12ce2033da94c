/** Commands where Lima runs, as the user whose virtual machines they are: on this machine, or on one that SSH reaches. */
import { homebrewPrograms } from "../../components/upstream/lima.ts";
import type { Mac } from "../schema/lima.ts";
import type { Finished, Run, RunOptions } from "./process.ts";
import type { SshLogin } from "./ssh-connection.ts";
import { SshFailure, placeOf } from "./ssh-failure.ts";
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
  constructor(mac: SshLogin, failure: SshFailure) {
    const text = failure.message.replace(`${placeOf(mac)}: `, "");
    super(`the Mac ${placeOf(mac)} cannot be reached: ${text}. ${hint(failure)}`);
    this.failure = failure;
  }
}

function hint({ reason }: SshFailure): string {
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
    case "other-machine":
      return "If you installed it anew, replace the stack's LimaMac, which trusts it anew (pulumi up --replace URN)";
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
