/** Files and boot scripts of a node that is a machine of its own, by the commands of boot/machine/README.md. */
import { type Stage, parseStages } from "../logic/stage.ts";
import type { SshTransport } from "../schema/common.ts";
import { type ArchivedFile, writeArchive } from "./archive.ts";
import { type NodeAccess, libraryOf, parseSums } from "./node-files.ts";
import { CommandError, type Finished } from "./process.ts";
import { SshFailure, type SshReason, placeOf } from "./ssh-failure.ts";
import type { Ssh } from "./ssh.ts";
import { type Clock, systemClock, waitFor } from "./wait.ts";

/** For a question, whose answer may as well be that there is none. */
const QUESTION_SECONDS = 5;
/** A refresh asks for each resource of a node: a machine that was silent a moment ago is silent now. */
const SILENCE_MILLISECONDS = 3000;
/** A machine that starts refuses connections until its sshd runs. */
const STARTING_SECONDS = 20;
/** A stop of k3s alone may take a minute. */
const RESTART_SECONDS = 150;
/** What `k3s-stop` leaves at once; the boot sequence's stages say it some seconds later. */
const STOPPED_MARK = "steward/k3s.stopped";

/** {@link NodeAccess} by SSH. */
export class SshNodeAccess implements NodeAccess<SshTransport> {
  readonly #ssh: Ssh;
  readonly #clock: Clock;
  /** Place -> until when nobody waits for it again. */
  readonly #silent = new Map<string, number>();

  constructor(ssh: Ssh, clock: Clock = systemClock) {
    this.#ssh = ssh;
    this.#clock = clock;
  }

  async put(transport: SshTransport, files: readonly ArchivedFile[]): Promise<Record<string, string>> {
    const input = await writeArchive(files);
    return parseSums(
      await this.#change(transport, "writing files", [`${libraryOf(transport)}/receive`], { input }),
    );
  }

  async checksums(
    transport: SshTransport,
    paths: readonly string[],
  ): Promise<Record<string, string> | undefined> {
    if (paths.length === 0) return {};
    const text = await this.#question(transport, [`${libraryOf(transport)}/checksums`, ...paths]);
    if (text === undefined) return undefined;
    const found = parseSums(text);
    return Object.fromEntries(paths.map((path) => [path, found[path] ?? ""]));
  }

  async remove(transport: SshTransport, paths: readonly string[]): Promise<void> {
    if (paths.length === 0) return;
    await this.#change(transport, "removing files", [`${libraryOf(transport)}/remove`, ...paths]);
  }

  async reachable(transport: SshTransport): Promise<boolean> {
    return (await this.#question(transport, ["true"])) !== undefined;
  }

  /**
   * A machine that takes another key by now still runs; where another one answers, the known one does not. One that refuses
   * connections may be either: the one that took its place starts, and shows soon who it is.
   */
  async gone(transport: SshTransport): Promise<boolean> {
    const ended: readonly SshReason[] = ["silent", "other-machine"];
    const ask = async (): Promise<SshReason | undefined> => {
      const answer = await this.#ask(transport, ["true"]);
      return answer instanceof SshFailure ? answer.reason : undefined;
    };
    const once = async (): Promise<boolean> => {
      const { signal } = new AbortController();
      const known = await waitFor(
        async () => {
          const reason = await ask();
          return reason === "refused" ? undefined : { reason };
        },
        { seconds: STARTING_SECONDS, signal, clock: this.#clock, firstMilliseconds: 500 },
      );
      return known?.reason !== undefined && ended.includes(known.reason);
    };
    // One packet that is lost is no reason to skip a node's drain.
    return (await once()) && (await once());
  }

  async stages(transport: SshTransport): Promise<readonly Stage[] | undefined> {
    const text = await this.#question(transport, [`${libraryOf(transport)}/stage`]);
    return text === undefined ? undefined : parseStages(text);
  }

  show(transport: SshTransport, path: string): Promise<string | undefined> {
    return this.#question(transport, ["cat", `/data/${path}`]);
  }

  /**
   * The API of each, as this node sees it: only the tailnet leads there. It says ready when its etcd member is, too. The
   * certificate of every k3s server is for `kubernetes` beside its own names.
   */
  async readyServers(transport: SshTransport, names: readonly string[]): Promise<readonly string[]> {
    const ready = async (name: string): Promise<boolean> => {
      const answer = await this.#question(transport, [
        ...[`${libraryOf(transport)}/bin/k3s`, "kubectl", "--kubeconfig=/etc/rancher/k3s/k3s.yaml"],
        ...[`--server=https://${name}:6443`, "--tls-server-name=kubernetes", "--request-timeout=5s"],
        ...["get", "--raw=/readyz"],
      ]);
      return answer === "ok";
    };
    const states = await Promise.all(names.map(ready));
    return names.filter((_, index) => states[index]);
  }

  async stopK3s(transport: SshTransport): Promise<boolean> {
    const argv = [`${libraryOf(transport)}/k3s-stop`];
    try {
      await this.#change(transport, "stopping k3s", argv, { timeoutSeconds: RESTART_SECONDS });
      return true;
    } catch (error) {
      if (error instanceof SshFailure || error instanceof CommandError) return false;
      throw error;
    }
  }

  /**
   * Where k3s was kept stopped, `k3s-start` has the boot sequence run again, whose stages say so yet; after any other restart they
   * stay true without. Alone it would leave a k3s as it is that had not ended, with the mark to stop it.
   */
  async restartK3s(transport: SshTransport): Promise<void> {
    const marks = await this.checksums(transport, [STOPPED_MARK]);
    const options = { timeoutSeconds: RESTART_SECONDS };
    await this.#change(transport, "restarting k3s", ["systemctl", "restart", "k3s.service"], options);
    if (marks?.[STOPPED_MARK] === "") return;
    await this.#change(transport, "starting k3s", [`${libraryOf(transport)}/k3s-start`], options);
  }

  async #change(
    transport: SshTransport,
    what: string,
    argv: readonly string[],
    options: { readonly input?: Uint8Array; readonly timeoutSeconds?: number } = {},
  ): Promise<string> {
    const finished = await this.#ssh.run(transport, argv, options);
    if (finished.code !== 0) throw new CommandError(`${what} on ${transport.address}`, finished);
    return finished.stdout;
  }

  /** What the command prints; `undefined` when it fails, or the machine cannot be asked. */
  async #question(transport: SshTransport, argv: readonly string[]): Promise<string | undefined> {
    const place = placeOf(transport);
    if (this.#clock.now() < (this.#silent.get(place) ?? 0)) return undefined;
    const answer = await this.#ask(transport, argv);
    if (answer instanceof SshFailure) {
      if (answer.reason === "silent") this.#silent.set(place, this.#clock.now() + SILENCE_MILLISECONDS);
      return undefined;
    }
    return answer.code === 0 ? answer.stdout : undefined;
  }

  async #ask(transport: SshTransport, argv: readonly string[]): Promise<Finished | SshFailure> {
    try {
      return await this.#ssh.run(transport, argv, { connectSeconds: QUESTION_SECONDS });
    } catch (error) {
      if (error instanceof SshFailure) return error;
      throw error;
    }
  }
}
