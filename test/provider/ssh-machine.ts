/** A machine behind a real SSH server on the loopback interface: its commands work on a map of files. */
import { createHash, generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, type Server, type Socket, connect, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import ssh2, { type Connection, type ServerChannel } from "ssh2";
import { bakedFiles, bootFiles } from "../../components/render/machine-files.ts";
import { readArchive } from "../../provider/effects/archive.ts";
import { SEEDS } from "../../provider/effects/boot-files.ts";
import type { Finished } from "../../provider/effects/process.ts";
import type { SshTransport } from "../../provider/schema/common.ts";
import { ed25519KeyPair } from "../../rehearsal/machines/ssh-key-pair.ts";

/** One key for all tests: making one takes longer than a test. 2048 bits are enough for a machine that is none. */
export const privateKey = newPrivateKey();

export function newPrivateKey(): string {
  const { privateKey: key } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return key.export({ type: "pkcs1", format: "pem" }).toString();
}

/** A machine's key pair: the private one for the machine, and the text by which it is known. */
export interface HostKey {
  readonly pem: string;
  readonly text: string;
}

export function hostKeyPair(type: "ed25519" | "ecdsa" = "ed25519"): HostKey {
  const pair = type === "ed25519" ? ed25519KeyPair() : ssh2.utils.generateKeyPairSync("ecdsa", { bits: 256 });
  return { pem: pair.private, text: pair.public.trim() };
}

/** The words of a line, as a POSIX shell finds them; it knows no more than quoting. */
export function words(line: string): string[] {
  return [...line.matchAll(/(?:'[^']*'|\\.|[^\s'\\])+/g)].map(([word]) =>
    word.replaceAll(/'([^']*)'|\\(.)/g, (_, quoted?: string, escaped?: string) => quoted ?? escaped ?? ""),
  );
}

function publicHalf(pem: string): Buffer {
  const key = ssh2.utils.parseKey(pem);
  if (key instanceof Error) throw key;
  return key.getPublicSSH();
}

/** `leave` ends the command without an exit status, `drop` the connection; with `leave-and-drop` the command's end is seen before. */
type Answer = Partial<Finished> | "hang" | "drop" | "leave" | "leave-and-drop";
const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

export class SshMachine {
  /** Where the boot files are. */
  library = "/usr/lib/homespan";
  /** Below the library. */
  readonly boot = new Map(bakedFiles.map(({ path, source }) => [path, source]));
  /** Below /data. */
  readonly data = new Map<string, string>();
  /** Commands as root, without what came on standard input. */
  readonly commands: string[] = [];
  /** Whole lines, as everybody on the machine may see them. */
  readonly lines: string[] = [];
  connections = 0;
  /** Commands that ran at the same time, at most. */
  most = 0;
  /** How often a command finds that user-data has not ended. */
  userData: Partial<Finished>[] = [];
  /** How often the data directory is not there after `boot-files start`; `undefined` before. */
  dataIn = 0;
  started = 0;
  stageText = '{"node":"","stages":[]}';
  tailscaled = false;
  /** Answers in the place of the machine's own. */
  trouble: (argv: readonly string[]) => Answer | undefined = () => undefined;
  /** Called after each command that changed something. */
  changed: (argv: readonly string[]) => void = () => undefined;
  /** False: no key is accepted. */
  accepting = true;
  /** Private keys whose public halves are let in. */
  keys: string[] = [privateKey];

  #server: Server | undefined;
  readonly #open = new Set<Connection>();
  readonly #sockets = new Set<Socket>();
  #port = 0;
  #running = 0;

  async start(...hostKeys: readonly HostKey[]): Promise<void> {
    const protocol = new ssh2.Server({ hostKeys: hostKeys.map(({ pem }) => pem) }, (connection) => {
      this.#serve(connection);
    });
    // As sshd does: otherwise each small answer waits for the acknowledgement of the one before.
    const server = createServer({ noDelay: true }, (socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
      protocol.injectSocket(socket);
    });
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(this.#port, "127.0.0.1", resolve));
    this.#port = (server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    this.cut();
    const server = this.#server;
    this.#server = undefined;
    if (server !== undefined) await once(server.close(), "close");
  }

  /** Ends all connections. */
  cut(): void {
    for (const connection of this.#open) connection.end();
    for (const socket of this.#sockets) socket.resume();
  }

  /** Hears nothing any more, as if it had lost its power. */
  freeze(): void {
    for (const socket of this.#sockets) socket.pause();
  }

  /** The same address, with other host keys. */
  async restart(...hostKeys: readonly HostKey[]): Promise<void> {
    await this.stop();
    await this.start(...hostKeys);
  }

  transport(hostKey?: string): SshTransport {
    const place = { kind: "ssh", address: "127.0.0.1", port: this.#port, user: "admin", privateKey } as const;
    return hostKey === undefined ? place : { ...place, hostKey };
  }

  #serve(connection: Connection): void {
    this.connections += 1;
    this.#open.add(connection);
    connection.on("error", () => undefined);
    connection.on("close", () => this.#open.delete(connection));
    connection.on("authentication", (context) => {
      const own =
        this.accepting &&
        context.method === "publickey" &&
        context.username === "admin" &&
        this.keys.some((key) => context.key.data.equals(publicHalf(key)));
      if (own) context.accept();
      else context.reject(["publickey"]);
    });
    // On the way to another machine.
    connection.on("tcpip", (accept, reject, { destIP, destPort }) => {
      const onward = connect({ host: destIP, port: destPort, noDelay: true });
      onward.once("error", reject);
      onward.once("connect", () => {
        onward.off("error", reject);
        const channel = accept();
        this.#sockets.add(onward);
        for (const end of [onward, channel]) end.on("error", () => undefined);
        channel.on("close", () => onward.destroy());
        onward.on("close", () => {
          this.#sockets.delete(onward);
          channel.end();
        });
        onward.pipe(channel).pipe(onward);
      });
    });
    connection.on("session", (accept) => {
      accept().on("exec", (acceptExec, _reject, { command }) => {
        const channel = acceptExec();
        this.#command(channel, command).catch(() => {
          connection.end();
        });
      });
    });
  }

  async #command(channel: ServerChannel, line: string): Promise<void> {
    this.lines.push(line);
    const argv = words(line).slice("sudo -n -- /bin/sh -c ... sh".split(" ").length);
    this.commands.push(argv.join(" ").replace(`${this.library}/`, ""));
    const chunks: Buffer[] = [];
    channel.on("data", (chunk: Buffer) => chunks.push(chunk));
    this.#running += 1;
    this.most = Math.max(this.most, this.#running);
    await new Promise<void>((resolve) => channel.on("end", resolve));
    const answer = this.trouble(argv) ?? (await this.#answer(argv, Buffer.concat(chunks)));
    this.#running -= 1;
    if (answer === "hang") return;
    if (answer === "leave" || answer === "leave-and-drop") channel.close();
    if (answer === "leave") return;
    if (answer === "leave-and-drop") await sleep(100);
    if (answer === "drop" || answer === "leave-and-drop") throw new Error("cut");
    channel.write(answer.stdout ?? "");
    channel.stderr.write(answer.stderr ?? "");
    channel.exit(answer.code ?? 0);
    channel.end();
  }

  async #answer([program = "", ...args]: readonly string[], input: Buffer): Promise<Partial<Finished>> {
    const script = program.replace(`${this.library}/`, "");
    switch (script) {
      case "true":
        return {};
      case "boot-files": {
        const early = this.userData.shift();
        if (early !== undefined) return early;
        if (args[0] !== "start") return this.#files(this.boot, args, input);
        if (bootFiles.some(({ path }) => !this.boot.has(path))) return { code: 1, stderr: "no boot files" };
        this.started += 1;
        this.boot.delete("awaits-start");
        if (this.dataIn === 0) this.#seed();
        this.changed(args);
        return {};
      }
      case "receive":
      case "checksums":
      case "remove":
        if (this.started === 0) return { code: 127, stderr: `sh: ${script}: not found` };
        if (this.dataIn > 0) {
          this.dataIn -= 1;
          return { code: 75, stderr: `${script}: the data directory is not ready yet` };
        }
        this.#seed();
        return this.#files(this.data, [script, ...args], input);
      case "k3s-stop":
      case "k3s-start":
        return {};
      case "stage":
        return { stdout: `${this.stageText}\n` };
      case "cat": {
        const content = this.data.get((args[0] ?? "").replace("/data/", ""));
        return content === undefined ? { code: 1 } : { stdout: content };
      }
      case "systemctl":
        if (args[0] === "is-active") return { code: this.tailscaled ? 0 : 3 };
        this.changed(["systemctl", ...args]);
        return {};
      case "flock":
        if (args.join(" ").endsWith("systemctl stop tailscaled.service")) this.tailscaled = false;
        return {};
      default:
        return { code: 127, stderr: `sh: exec: ${program}: not found` };
    }
  }

  /** As the boot sequence does: what came with the boot files moves to the data directory. */
  #seed(): void {
    for (const [path, seed] of SEEDS) {
      const content = this.boot.get(seed);
      if (content !== undefined) this.data.set(path, content);
      this.boot.delete(seed);
    }
  }

  async #files(
    files: Map<string, string>,
    [verb, ...paths]: readonly string[],
    input: Buffer,
  ): Promise<Partial<Finished>> {
    const line = (path: string): string => {
      const content = files.get(path);
      return `${content === undefined ? "-" : sha256(content)}  ${path}\n`;
    };
    if (verb === "checksums") return { stdout: paths.map(line).join("") };
    const received = verb === "receive" ? await readArchive(input) : new Map<string, string>();
    for (const [path, content] of received) files.set(path, content);
    if (verb === "remove") for (const path of paths) files.delete(path);
    this.changed([verb ?? "", ...paths]);
    return { stdout: [...received.keys()].map(line).join("") };
  }
}
