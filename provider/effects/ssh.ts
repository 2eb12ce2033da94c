/** Commands on other machines by SSH, usually as root through sudo, with one connection per machine. */
import { createHash } from "node:crypto";
import { rootCommand, shellWords } from "../logic/shell-words.ts";
import type { Finished, RunOptions } from "./process.ts";
import { type SshConnection, type SshLogin, type SshPatience, openConnection } from "./ssh-connection.ts";
import { NotStarted, connectFailure } from "./ssh-failure.ts";

export interface SshOptions extends RunOptions, Partial<SshPatience> {
  /** Runs as the user who logs in. @default false: as root */
  readonly asUser?: boolean;
}

/** Nothing is tried again here but a command that an idle connection turned out not to take. */
export interface Ssh {
  /**
   * Runs a program, as root if nothing else is asked for, and waits for its end; never throws for an exit code: 126 and 127 say that the program
   * cannot be run or is not there. Secrets go through `input` alone.
   *
   * @throws SshFailure when the machine cannot be reached, shows another host key, or is lost meanwhile.
   */
  run(transport: SshLogin, argv: readonly string[], options?: SshOptions): Promise<Finished>;
  /** The host key of the machine that answers and takes this user's key, `ssh-ed25519 AAAA...` if it has one. */
  hostKey(transport: SshLogin, options?: Partial<SshPatience>): Promise<string>;
  /** Ends all connections. */
  close(): void;
}

const PATIENCE: SshPatience = { connectSeconds: 10, loginSeconds: 30 };
const COMMAND_SECONDS = 60;

/** How long connections are looked after. */
export interface SshTiming {
  /** A refresh or an update asks a machine several things, with pauses in which other machines have their turn. */
  readonly idleMilliseconds: number;
  /** A machine that vanishes is noticed after four times this. */
  readonly keepaliveMilliseconds: number;
}
const TIMING: SshTiming = { idleMilliseconds: 3000, keepaliveMilliseconds: 3500 };

interface Shared {
  readonly opening: Promise<SshConnection>;
  users: number;
  idle?: NodeJS.Timeout;
}

/** {@link Ssh} by the library ssh2: no `ssh` has to be installed, and no key has to lie in a file. */
export class SshConnections implements Ssh {
  readonly #timing: SshTiming;
  readonly #shared = new Map<string, Shared>();

  constructor(timing: Partial<SshTiming> = {}) {
    this.#timing = { ...TIMING, ...timing };
  }

  async run(transport: SshLogin, argv: readonly string[], options: SshOptions = {}): Promise<Finished> {
    const line = options.asUser === true ? shellWords(argv) : rootCommand(argv, transport.user);
    const { input = "", timeoutSeconds = COMMAND_SECONDS } = options;
    const work = (connection: SshConnection) => connection.run(line, input, timeoutSeconds);
    const used = this.#shared.has(keyOf(transport));
    try {
      return await this.#with(transport, options, work);
    } catch (error) {
      // The machine may have closed a connection that was idle. One that was just made says something about the machine.
      if (!used || !(error instanceof NotStarted)) throw error;
      return await this.#with(transport, options, work);
    }
  }

  hostKey(transport: SshLogin, options: Partial<SshPatience> = {}): Promise<string> {
    return this.#with(transport, options, (connection) => Promise.resolve(connection.hostKey));
  }

  close(): void {
    for (const { opening, idle } of this.#shared.values()) {
      clearTimeout(idle);
      opening.then(
        (connection) => {
          connection.close();
        },
        () => undefined,
      );
    }
    this.#shared.clear();
  }

  async #with<T>(
    transport: SshLogin,
    { connectSeconds = PATIENCE.connectSeconds, loginSeconds = PATIENCE.loginSeconds }: Partial<SshPatience>,
    work: (connection: SshConnection) => Promise<T>,
  ): Promise<T> {
    const key = keyOf(transport);
    const shared = this.#shared.get(key) ?? this.#open(key, transport, { connectSeconds, loginSeconds });
    shared.users += 1;
    clearTimeout(shared.idle);
    try {
      const connection = await shared.opening;
      connection.keepProcess(true);
      return await work(connection);
    } catch (error) {
      // It is over, though its end has yet to be reported.
      if (error instanceof NotStarted) this.#forget(shared);
      throw error;
    } finally {
      shared.users -= 1;
      if (shared.users === 0) this.#rest(key, shared);
    }
  }

  #open(key: string, transport: SshLogin, patience: SshPatience): Shared {
    const { keepaliveMilliseconds } = this.#timing;
    const { via } = transport;
    const opening =
      via === undefined
        ? openConnection(transport, patience, keepaliveMilliseconds)
        : this.#through({ kind: "ssh", ...via }, transport, patience);
    const shared: Shared = { opening, users: 0 };
    this.#shared.set(key, shared);
    const forget = (): void => {
      this.#forget(shared);
    };
    shared.opening.then((connection) => {
      connection.whenClosed(forget);
      // Whoever has learned the machine's host key by it goes on with it.
      const { hostKey } = connection;
      const learned = keyOf({ ...transport, hostKey });
      if (transport.hostKey === undefined && !this.#shared.has(learned)) this.#shared.set(learned, shared);
    }, forget);
    return shared;
  }

  #forget(shared: Shared): void {
    for (const [key, known] of this.#shared) if (known === shared) this.#shared.delete(key);
  }

  /** The hop's connection is in use for as long as the one that goes through it. */
  async #through(hop: SshLogin, transport: SshLogin, patience: SshPatience): Promise<SshConnection> {
    const key = keyOf(hop);
    const shared = this.#shared.get(key) ?? this.#open(key, hop, patience);
    shared.users += 1;
    clearTimeout(shared.idle);
    const leave = (): void => {
      shared.users -= 1;
      if (shared.users === 0) this.#rest(key, shared);
    };
    try {
      const outer = await shared.opening;
      outer.keepProcess(true);
      const way = await outer.forward(transport.address, transport.port).catch((error: unknown) => {
        throw connectFailure(transport, error, patience.connectSeconds);
      });
      const { keepaliveMilliseconds } = this.#timing;
      const inner = await openConnection(transport, patience, keepaliveMilliseconds, way);
      inner.whenClosed(leave);
      return inner;
    } catch (error) {
      leave();
      throw error;
    }
  }

  #rest(key: string, shared: Shared): void {
    if (this.#shared.get(key) !== shared) return;
    const rest = (connection: SshConnection): void => {
      if (shared.users > 0) return;
      connection.keepProcess(false);
      shared.idle = setTimeout(() => {
        this.#forget(shared);
        connection.close();
      }, this.#timing.idleMilliseconds);
      shared.idle.unref();
    };
    shared.opening.then(rest, () => undefined);
  }
}

/** Same machine, same user, same trust. The private key is in it by its digest alone. */
function keyOf({ user, address, port, privateKey, hostKey = "", agent = "", via }: SshLogin): string {
  const key = createHash("sha256").update(privateKey).digest("hex");
  const way = via === undefined ? [] : [keyOf({ kind: "ssh", ...via })];
  return [user, address, String(port), hostKey, agent, key, ...way].join(" ");
}
