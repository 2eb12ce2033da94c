/** One SSH connection to one machine, and the commands that run through it at the same time. */
import { once } from "node:events";
import { type Socket, connect } from "node:net";
import type { Duplex } from "node:stream";
import type { Client, ClientChannel } from "ssh2";
import { hostKeyAlgorithms, hostKeyText, sameHostKey } from "../logic/ssh-host-key.ts";
import type { SshTransport } from "../schema/common.ts";
import type { Finished } from "./process.ts";
import { NotStarted, SshFailure, connectFailure, otherMachine } from "./ssh-failure.ts";

/** OpenSSH's MaxSessions is 10 per connection: more at once would be refused. */
const COMMANDS_AT_ONCE = 8;

/** A command without an exit status may be the first that is seen of the end of its connection, which has an error of its own. */
const LOSS_MILLISECONDS = 1000;

/** How long a connection may take. */
export interface SshPatience {
  /** Until the machine takes the connection: one that does not is off, or not reached. @default 10 */
  readonly connectSeconds: number;
  /** From then on, until the user is logged in: one that takes connections is there, however slow or busy. @default 30 */
  readonly loginSeconds: number;
}

/** A transport, or one whose keys an ssh-agent has. */
export type SshLogin = SshTransport & {
  /** Socket of the agent; `privateKey` is not used then. */
  readonly agent?: string;
};

/** What a connection goes through: a socket of this machine's, or one that another machine opened. */
type Way = Duplex & Partial<Pick<Socket, "ref" | "unref">>;

export class SshConnection {
  /** The key the machine showed. */
  readonly hostKey: string;
  readonly #transport: SshTransport;
  readonly #client: Client;
  readonly #socket: Way;
  /** Ends of the commands that run. */
  readonly #running = new Set<(error: SshFailure) => void>();
  readonly #waiting: (() => void)[] = [];
  #lost: string | undefined;

  constructor(transport: SshTransport, client: Client, socket: Way, hostKey: string) {
    this.hostKey = hostKey;
    this.#transport = transport;
    this.#client = client;
    this.#socket = socket;
    let reason = "";
    client.on("error", (error: Error) => (reason = ` (${error.message})`));
    client.on("close", () => {
      this.#lost = `the connection was lost${reason}`;
      const failure = new SshFailure(transport, "lost", this.#lost);
      for (const end of [...this.#running]) end(failure);
    });
  }

  /** Calls back when it is over, whoever ended it. */
  whenClosed(closed: () => void): void {
    if (this.#lost === undefined) this.#client.on("close", closed);
    else closed();
  }

  /** While it is idle, it must not keep this process from ending. */
  keepProcess(keep: boolean): void {
    if (keep) this.#socket.ref?.();
    else this.#socket.unref?.();
  }

  close(): void {
    this.#client.end();
  }

  /** A socket that this machine opens, to an address as it sees it. */
  forward(address: string, port: number): Promise<Duplex> {
    return new Promise((resolve, reject) => {
      this.#client.forwardOut("127.0.0.1", 0, address, port, (error, channel) => {
        if (error === undefined) resolve(channel);
        else reject(error);
      });
    });
  }

  /**
   * Runs a line in the user's shell.
   *
   * @throws {@link NotStarted} when the connection was gone already, {@link SshFailure} when it was lost on the way.
   */
  async run(line: string, input: string | Uint8Array, timeoutSeconds: number): Promise<Finished> {
    while (this.#running.size >= COMMANDS_AT_ONCE) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    let end: (error: SshFailure) => void = () => undefined;
    try {
      return await new Promise<Finished>((resolve, reject) => {
        end = reject;
        this.#running.add(end);
        if (this.#lost !== undefined) throw new NotStarted(this.#transport, this.#lost);
        this.#client.exec(line, (error, channel) => {
          if (error === undefined) finish(channel, input, timeoutSeconds).then(resolve, reject);
          else reject(new NotStarted(this.#transport, error.message));
        });
      });
    } catch (error) {
      // ssh2 throws when its socket ended a moment ago.
      throw error instanceof SshFailure ? error : new NotStarted(this.#transport, (error as Error).message);
    } finally {
      this.#running.delete(end);
      this.#waiting.shift()?.();
    }
  }
}

/** Feeds a command and waits for its end. A connection that is lost meanwhile is reported by {@link SshConnection}. */
function finish(
  channel: ClientChannel,
  input: string | Uint8Array,
  timeoutSeconds: number,
): Promise<Finished> {
  return new Promise((resolve) => {
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    let ended: { readonly code: number; readonly note: string } | undefined;
    const answer = (code: number, note: string): void => {
      clearTimeout(timer);
      const stderr = Buffer.concat(err).toString() + note;
      resolve({ code, stdout: Buffer.concat(out).toString(), stderr });
    };
    let timer = setTimeout(() => {
      channel.close();
      answer(1, `\nno answer within ${String(timeoutSeconds)} s`);
    }, timeoutSeconds * 1000);
    channel.on("data", (chunk: Buffer) => out.push(chunk));
    channel.stderr.on("data", (chunk: Buffer) => err.push(chunk));
    channel.on("exit", (code: number | null, signal?: string) => {
      ended = { code: code ?? 1, note: code === null ? `\nended by ${signal ?? "a signal"}` : "" };
    });
    channel.on("close", () => {
      if (ended !== undefined) {
        answer(ended.code, ended.note);
        return;
      }
      clearTimeout(timer);
      timer = setTimeout(answer, LOSS_MILLISECONDS, 1, "\nended without an exit status").unref();
    });
    // A program that ends without reading its input; its exit code tells the reason.
    channel.on("error", () => undefined);
    channel.end(input);
  });
}

/**
 * Connects and logs in.
 *
 * @param way - what the connection goes through.
 * @param keepaliveMilliseconds - a machine that vanishes is noticed after four times this.
 * @throws {@link SshFailure}
 */
export async function openConnection(
  transport: SshLogin,
  { connectSeconds, loginSeconds }: SshPatience,
  keepaliveMilliseconds: number,
  way?: Duplex,
): Promise<SshConnection> {
  const { default: ssh2 } = await import("ssh2");
  if (transport.agent === undefined && ssh2.utils.parseKey(transport.privateKey) instanceof Error) {
    throw new Error(
      "`privateKey` must be a private key in PEM without a passphrase, got a value that is not shown",
    );
  }
  const socket: Way = way ?? (await openSocket(transport, connectSeconds));
  const client = new ssh2.Client();
  let shown = "";
  try {
    await new Promise<void>((resolve, reject) => {
      client.once("ready", resolve);
      client.once("error", reject);
      client.once("close", () => {
        reject(new Error("closed by the machine"));
      });
      client.connect({
        sock: socket,
        username: transport.user,
        ...(transport.agent === undefined
          ? { privateKey: transport.privateKey, authHandler: ["publickey"] }
          : { agent: transport.agent, authHandler: ["agent"] }),
        algorithms: { serverHostKey: hostKeyAlgorithms(transport.hostKey) },
        hostVerifier: (key: Buffer) => {
          shown = hostKeyText(key);
          return transport.hostKey === undefined || sameHostKey(transport.hostKey, shown);
        },
        readyTimeout: loginSeconds * 1000,
        keepaliveInterval: keepaliveMilliseconds,
        keepaliveCountMax: 3,
      });
    });
  } catch (error) {
    client.on("error", () => undefined);
    socket.destroy();
    if (shown !== "" && transport.hostKey !== undefined && !sameHostKey(transport.hostKey, shown)) {
      throw otherMachine(transport, shown);
    }
    throw connectFailure(transport, error, loginSeconds);
  }
  return new SshConnection(transport, client, socket, shown);
}

async function openSocket(transport: SshLogin, seconds: number): Promise<Socket> {
  const socket = connect({ host: transport.address, port: transport.port, noDelay: true });
  const timer = setTimeout(() => {
    socket.destroy(Object.assign(new Error("no connection in time"), { code: "ETIMEDOUT" }));
  }, seconds * 1000);
  try {
    await once(socket, "connect");
    return socket;
  } catch (error) {
    throw connectFailure(transport, error, seconds);
  } finally {
    clearTimeout(timer);
  }
}
