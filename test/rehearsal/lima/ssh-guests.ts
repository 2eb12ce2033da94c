/**
 * Virtual machines of a rehearsed Mac without any: SSH servers on the loopback interface, in which commands run on this machine.
 * Each is there from its start to its end, and has booted once it says so of the boot Lima has laid down for it.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { type AddressInfo, type Server, type Socket, createServer } from "node:net";
import { join } from "node:path";
import ssh2 from "ssh2";
import { ed25519KeyPair } from "../../../rehearsal/machines/ssh-key-pair.ts";
import { unprivileged } from "../../render/unprivileged.ts";
import type {
  SshPlace,
  VirtualMachineName,
  VirtualMachineStart,
  VirtualMachines,
} from "../../../rehearsal/lima/virtual-machines.ts";

interface Guest {
  readonly server: Server;
  readonly sockets: Set<Socket>;
  readonly ended: AbortController;
}

export class SshGuests implements VirtualMachines {
  /** What was ordered, as `start home-agent-1`. */
  readonly orders: string[] = [];
  /** What each was started with last. */
  readonly starts = new Map<string, VirtualMachineStart>();
  readonly #guests = new Map<string, Guest>();
  /** LIMA_HOME. */
  readonly #home: string;
  /** Folder with programs that guests have before all others: it is their home, whose .bash_profile says so too. */
  readonly #programs: string;
  readonly #hostKey = ed25519KeyPair().private;

  constructor(home: string, programs: string) {
    this.#home = home;
    this.#programs = programs;
  }

  running(): string[] {
    return [...this.#guests.keys()].sort();
  }

  async start({ name }: VirtualMachineName, start: VirtualMachineStart): Promise<SshPlace> {
    this.orders.push(`start ${name}`);
    this.starts.set(name, start);
    const environment = readFileSync(join(this.#home, name, "cidata/lima.env"), "utf8");
    const done = join(this.#home, name, "boot-done");
    writeFileSync(done, /^LIMA_CIDATA_IID=(.*)$/m.exec(environment)?.[1] ?? "");
    const sockets = new Set<Socket>();
    const protocol = new ssh2.Server({ hostKeys: [this.#hostKey] }, (connection) => {
      connection.on("error", () => undefined);
      connection.on("authentication", (context) => {
        if (context.method === "publickey" && context.username === "homespan") context.accept();
        else context.reject(["publickey"]);
      });
      connection.on("session", (accept) => {
        accept().on("exec", (acceptExec, _reject, { command }) => {
          const channel = acceptExec();
          const child = spawn("/bin/bash", ["-c", command.replaceAll("/run/lima-boot-done", done)], {
            ...unprivileged,
            // `limactl shell` takes a login shell, which begins with the PATH of this machine's /etc/profile.
            env: { PATH: `${this.#programs}:/usr/bin:/bin`, HOME: this.#programs },
          });
          let input = "";
          channel.on("data", (part: Buffer) => (input += part.toString()));
          channel.on("end", () => child.stdin.end(input.replaceAll("/run/lima-boot-done", done)));
          child.stdout.on("data", (part: Buffer) => channel.write(part));
          child.stderr.on("data", (part: Buffer) => channel.stderr.write(part));
          child.on("close", (code) => {
            channel.exit(code ?? 1);
            channel.end();
          });
        });
      });
    });
    const server = createServer({ noDelay: true }, (socket) => {
      sockets.add(socket);
      protocol.injectSocket(socket);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    this.#guests.set(name, { server, sockets, ended: new AbortController() });
    return { address: "127.0.0.1", port: (server.address() as AddressInfo).port };
  }

  stop({ name }: VirtualMachineName): Promise<void> {
    return this.#end("stop", name);
  }

  kill({ name }: VirtualMachineName): Promise<void> {
    return this.#end("kill", name);
  }

  remove({ name }: VirtualMachineName): Promise<void> {
    return this.#end("remove", name);
  }

  async life({ name }: VirtualMachineName, signal: AbortSignal): Promise<void> {
    const ended = this.#guests.get(name)?.ended.signal;
    if (ended === undefined || ended.aborted) return;
    await Promise.race([once(ended, "abort"), once(signal, "abort")]);
    signal.throwIfAborted();
  }

  async #end(order: string, name: string): Promise<void> {
    this.orders.push(`${order} ${name}`);
    const guest = this.#guests.get(name);
    if (guest === undefined) return;
    this.#guests.delete(name);
    for (const socket of guest.sockets) socket.destroy();
    guest.server.close();
    guest.ended.abort();
    await Promise.resolve();
  }
}
