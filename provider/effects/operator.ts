/**
 * Tailnet operators: a tailscaled of this machine, without privileges and without an interface, that outlives the provider.
 * Its proxy resolves names by the tailnet's own map, so the machine's resolver stays as it is (net/tsdial in Tailscale's
 * source). Every user of this machine can use the proxy; what it leads to asks for credentials of its own. Checked against
 * the command line of 1.96.
 */
import { mkdir, rm, rmdir, stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import {
  environmentFor,
  freePort,
  isAlive,
  keepLogSmall,
  lastWords,
  launch,
  processOf,
  socketOf,
  trustWith,
} from "./operator-process.ts";
import type { Finished, Run } from "./process.ts";
import { type Clock, waitFor } from "./wait.ts";

/** One that runs. */
export interface Operator {
  readonly pid: number;
  /** Of its proxy on 127.0.0.1. */
  readonly port: number;
  /** In Tailscale's words: `Running`, `NeedsLogin`, `Starting`, ...; "" while it does not answer. */
  readonly backend: string;
  /** It has logged in once, and logs in again by itself as long as the tailnet lets it. */
  readonly known: boolean;
  /** Id of its device in the tailnet; "" before it has logged in. */
  readonly deviceId: string;
  /** MagicDNS domain of its tailnet; "" before it has logged in, and where MagicDNS is off. */
  readonly domain: string;
  /** What it finds wrong, in Tailscale's words. */
  readonly problems: readonly string[];
}

export interface StartSettings {
  /** Taken where it is free; another one where not. */
  readonly port: number | undefined;
  /** "" for Tailscale's own. */
  readonly loginServer: string;
  /** PEM; "" where the public ones do. */
  readonly caCertificate: string;
}

export interface LoginSettings {
  readonly loginServer: string;
  readonly hostName: string;
  /** `undefined` where the login it has is to be used. */
  readonly authKey: string | undefined;
  /** Its device is gone, whatever it believes itself. */
  readonly again: boolean;
  readonly seconds: number;
}

export interface TailnetOperators {
  /** Where the operator of this cluster is kept on this machine. */
  directory(clusterName: string): string;
  /** `undefined` when none runs there. */
  find(directory: string): Promise<Operator | undefined>;
  /** Starts one, ends the former, and waits until it answers; a login that it has is kept. */
  start(directory: string, settings: StartSettings, signal: AbortSignal): Promise<Operator>;
  /** @throws with Tailscale's own reason when it does not succeed. */
  login(directory: string, settings: LoginSettings): Promise<void>;
  /** Logs out as far as the control server can be reached, ends it, removes the directory; succeeds when there is none. */
  stop(directory: string, settings: StartSettings): Promise<void>;
}

/** In the operator's directory: the CA of its control server. */
export const OPERATOR_CA = "ca.pem";
const START_SECONDS = 20;
const STOP_SECONDS = 5;
/** Of one that runs, however slow the machine is; who does not answer is started again. */
const ANSWER_SECONDS = 15;
/** Of one that starts: it is asked again. */
const STARTING_SECONDS = 5;
const LOGOUT_SECONDS = 10;
/** Of a socket's path, with the NUL at its end: the least of Linux and macOS. */
const SOCKET_BYTES = 104;

interface RawStatus {
  BackendState?: string;
  HaveNodeKey?: boolean;
  Self?: { ID?: string } | null;
  CurrentTailnet?: { MagicDNSSuffix?: string; MagicDNSEnabled?: boolean } | null;
  Health?: string[] | null;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** {@link TailnetOperators} with real processes. */
export class SystemTailnetOperators implements TailnetOperators {
  readonly #run: Run;
  readonly #clock: Clock;
  readonly #stateFolder: () => string;
  readonly #environment: Environment;

  constructor(
    run: Run,
    clock: Clock,
    options: { readonly stateFolder: () => string; readonly environment?: Environment },
  ) {
    this.#run = run;
    this.#clock = clock;
    this.#stateFolder = options.stateFolder;
    this.#environment = options.environment ?? process.env;
  }

  directory(clusterName: string): string {
    return `${this.#stateFolder()}/operators/${clusterName}`;
  }

  find(directory: string): Promise<Operator | undefined> {
    return this.#find(directory, ANSWER_SECONDS);
  }

  async #find(directory: string, seconds: number): Promise<Operator | undefined> {
    const found = await processOf(directory, this.#run);
    if (found === undefined) return undefined;
    await keepLogSmall(directory);
    const question = ["status", "--json", "--peers=false"];
    const { code, stdout } = await this.#tailscale(directory, question, seconds);
    const status = code === 0 ? (JSON.parse(stdout) as RawStatus) : {};
    return {
      ...found,
      backend: status.BackendState ?? "",
      known: status.HaveNodeKey ?? false,
      deviceId: status.Self?.ID ?? "",
      domain:
        status.CurrentTailnet?.MagicDNSEnabled === true ? (status.CurrentTailnet.MagicDNSSuffix ?? "") : "",
      problems: status.Health ?? [],
    };
  }

  async start(directory: string, settings: StartSettings, signal: AbortSignal): Promise<Operator> {
    const bytes = Buffer.byteLength(socketOf(directory)) + 1;
    if (bytes > SOCKET_BYTES) {
      throw new Error(
        `\`HOMESPAN_STATE\` must be shorter by ${String(bytes - SOCKET_BYTES)} characters for the socket ${socketOf(directory)}`,
      );
    }
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await this.#end(directory);
    await rm(socketOf(directory), { force: true });
    await launch(
      directory,
      await freePort(settings.port),
      environmentFor(directory, this.#environment, {
        ownControl: settings.loginServer !== "",
        trust: await this.#writeTrust(directory, settings.caCertificate),
      }),
    );
    const answering = await waitFor(
      async () => {
        const found = await this.#find(directory, STARTING_SECONDS);
        if (found === undefined && !(await isAlive(directory, this.#run))) {
          throw new Error(`tailscaled ended at once: ${await lastWords(directory)}`);
        }
        return found === undefined || found.backend === "" ? undefined : found;
      },
      {
        seconds: START_SECONDS,
        signal,
        clock: this.#clock,
        firstMilliseconds: 50,
        maximumMilliseconds: 300,
      },
    );
    if (answering !== undefined) return answering;
    throw new Error(
      `tailscaled did not answer on ${socketOf(directory)} within ${String(START_SECONDS)} s: ${await lastWords(directory)}`,
    );
  }

  async login(directory: string, settings: LoginSettings): Promise<void> {
    const { loginServer, hostName, authKey, again, seconds } = settings;
    // Not by `--force-reauth`: with a key it logs in twice, first by the node key it has, and a key may be good for one login
    // (`tailscale up` calls Start, which logs in, and then StartLoginInteractive). What cannot be logged out logs in by its key.
    if (again) await this.#tailscale(directory, ["logout"], LOGOUT_SECONDS).catch(() => undefined);
    const args = [
      ...["up", "--reset", `--hostname=${hostName}`, `--timeout=${String(seconds)}s`],
      // Whoever runs Pulumi wants to reach the tailnet, and nothing else to change.
      ...["--accept-dns=false", "--accept-routes=false", "--shields-up"],
      ...(loginServer === "" ? [] : [`--login-server=${loginServer}`]),
      ...(authKey === undefined ? [] : ["--auth-key=file:/dev/stdin"]),
    ];
    const { code, stdout, stderr } = await this.#run(
      "sh",
      // Node's standard input is a socket, which Linux does not open as /dev/stdin; a pipe it does. No file: who is killed leaves none.
      ["-c", 'cat | "$@"', "login", "tailscale", `--socket=${socketOf(directory)}`, ...args],
      { input: authKey ?? "", timeoutSeconds: seconds + ANSWER_SECONDS },
    );
    if (code === 0) return;
    const said = `${stderr}\n${stdout}`.trim().split("\n")[0] ?? "";
    // What the control server said; a time that is over says nothing.
    const refusal = /^backend error: (.+)/.exec(said)?.[1];
    if (refusal !== undefined) throw new Error(refusal);
    const problems = (await this.find(directory))?.problems ?? [];
    throw new Error([said, ...problems].filter((text) => text !== "").join("; "));
  }

  async stop(directory: string, settings: StartSettings): Promise<void> {
    const folder = await stat(directory).catch(() => undefined);
    if (folder === undefined) return;
    if ((await processOf(directory, this.#run)) === undefined) {
      // One that does not run cannot log out.
      const { signal } = new AbortController();
      const loggedIn = await stat(`${directory}/tailscaled.state`).catch(() => undefined);
      if (loggedIn !== undefined) await this.start(directory, settings, signal).catch(() => undefined);
    }
    await this.#tailscale(directory, ["logout"], LOGOUT_SECONDS).catch(() => undefined);
    await this.#end(directory);
    await rm(directory, { recursive: true, force: true });
    // The folder of all clusters goes with the last one.
    await rmdir(dirname(directory)).catch(() => undefined);
  }

  async #writeTrust(directory: string, caCertificate: string): Promise<string | undefined> {
    if (caCertificate === "") return undefined;
    await writeFile(`${directory}/${OPERATOR_CA}`, caCertificate);
    const file = `${directory}/trust.pem`;
    await writeFile(file, trustWith(caCertificate));
    return file;
  }

  #tailscale(directory: string, args: readonly string[], timeoutSeconds: number): Promise<Finished> {
    return this.#run("tailscale", [`--socket=${socketOf(directory)}`, ...args], { timeoutSeconds });
  }

  async #end(directory: string): Promise<void> {
    const found = await processOf(directory, this.#run);
    if (found === undefined) return;
    process.kill(found.pid, "SIGTERM");
    const { signal } = new AbortController();
    const ended = await waitFor(
      async () => ((await processOf(directory, this.#run)) === undefined ? true : undefined),
      { seconds: STOP_SECONDS, signal, clock: this.#clock, firstMilliseconds: 50 },
    );
    if (ended === undefined) process.kill(found.pid, "SIGKILL");
  }
}
