/** A real libvirtd apart from the machine's own, in a folder: it outlives whoever started it, and is found again by the folder. */
import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { chmod, mkdir, readFile, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { listProcesses } from "../../cli/process.ts";
import { CommandError, type Run, runProcess } from "../../provider/effects/process.ts";
import { isAlive } from "../../toolchain/process.ts";
import { removeChains } from "./firewall-chains.ts";
import type { Virtualization } from "./virtualization.ts";

const script = fileURLToPath(new URL("private-libvirtd", import.meta.url));
/** What a path of a socket may have, with the zero at its end. https://man7.org/linux/man-pages/man7/unix.7.html */
const longestPath = 107;
const startSeconds = 60;
const endSeconds = 15;
const pollMilliseconds = 200;

/** Where libvirt has the disks of a pool; QEMU, a user of its own, gets there whoever may read the folder. */
const poolTarget = (pool: string): string => `/var/lib/libvirt/images/${pool}`;

export class PrivateLibvirtd {
  readonly folder: string;
  /** How libvirt is reached. */
  readonly uri: string;
  readonly #run: Run;
  readonly #socket: string;
  readonly #pidFile: string;

  constructor(folder: string, run: Run = runProcess) {
    this.folder = folder;
    this.#run = run;
    this.#socket = join(folder, "run/libvirt-sock");
    this.#pidFile = join(folder, "libvirtd.pid");
    this.uri = `qemu+unix:///system?socket=${this.#socket}`;
  }

  /**
   * Starts it, or leaves one that answers as it is. Machines that run go on; those that start with their host are started
   * where this is the first since its restart.
   *
   * @throws Error with libvirtd's last words when it does not answer
   */
  async start(type: Virtualization["type"]): Promise<void> {
    if (Buffer.byteLength(this.#socket) > longestPath) {
      throw new Error(
        `HOMESPAN_STATE must be shorter: ${this.#socket} is longer than the ${longestPath} bytes of a socket's path`,
      );
    }
    await mkdir(this.folder, { recursive: true });
    await chmod(this.folder, 0o711);
    if (await this.answers()) return;
    const said = join(this.folder, "libvirtd.out");
    const log = openSync(said, "w", 0o600);
    const child = spawn(script, [this.folder, type], { detached: true, stdio: ["ignore", log, log] });
    closeSync(log);
    const life = { ended: false };
    for (const event of ["error", "exit"]) {
      child.on(event, () => {
        life.ended = true;
      });
    }
    child.unref();
    const until = Date.now() + startSeconds * 1000;
    while (!life.ended && Date.now() < until) {
      if (await this.answers()) return;
      await sleep(pollMilliseconds);
    }
    const words = (await readFile(said, "utf8")).trim().split("\n").at(-1) ?? "";
    const why = life.ended ? "ended" : `did not answer within ${startSeconds} s`;
    throw new Error(`libvirtd ${why}: ${words === "" ? await this.#lastOfLog() : words}`);
  }

  async answers(): Promise<boolean> {
    return this.#virsh(["version"]).then(
      ({ code }) => code === 0,
      // Without virsh nothing answers.
      () => false,
    );
  }

  /** What it prints. */
  async virsh(...args: readonly string[]): Promise<string> {
    const finished = await this.#virsh(args);
    if (finished.code !== 0) throw new CommandError(`virsh ${args.slice(0, 2).join(" ")}`, finished);
    return finished.stdout.trim();
  }

  /** Makes a storage pool that is active whenever this runs; one that is there is kept. */
  async ensurePool(name: string): Promise<void> {
    const all = words(await this.virsh("pool-list", "--all", "--name"));
    if (!all.includes(name)) {
      const images = join(this.folder, "var/images");
      await mkdir(join(images, name), { recursive: true });
      for (const folder of [images, join(images, name)]) await chmod(folder, 0o711);
      await this.virsh("pool-define-as", name, "dir", "--target", poolTarget(name));
    }
    await this.virsh("pool-autostart", name);
    if (!words(await this.virsh("pool-list", "--name")).includes(name)) await this.virsh("pool-start", name);
  }

  async domains(): Promise<string[]> {
    return words(await this.virsh("list", "--all", "--name"));
  }

  async volumes(pool: string): Promise<string[]> {
    await this.virsh("pool-refresh", pool);
    const lines = (await this.virsh("vol-list", pool)).split("\n");
    return lines.flatMap((line) => /^\s*(\S+)/.exec(line)?.[1] ?? []).sort();
  }

  /**
   * Ends everything that was started, virtual machines, networks and hooks in the firewall too; what it knows stays. Succeeds
   * when nothing runs.
   */
  async end(): Promise<void> {
    if (await this.answers()) {
      const running = words(await this.virsh("list", "--name").catch(() => ""));
      for (const name of running) await this.#virsh(["destroy", name]);
      const networks = words(await this.virsh("net-list", "--name").catch(() => ""));
      for (const name of networks) await this.#virsh(["net-destroy", name]);
    }
    await endProcesses(this.#processes(), endSeconds);
    // Of a libvirtd that was killed before.
    await endProcesses(await this.#orphans(), endSeconds);
    await rm(this.#pidFile, { force: true });
    await removeChains(this.#run);
  }

  #processes(): readonly number[] {
    return listProcesses()
      .filter(({ words }) => words.includes("--pid-file") && words.includes(this.#pidFile))
      .map(({ pid }) => pid);
  }

  /** Virtual machines by the ids that libvirt wrote down, as far as they are theirs still. */
  async #orphans(): Promise<readonly number[]> {
    const folder = join(this.folder, "run/qemu");
    const files = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith(".pid"));
    const pids = await Promise.all(
      files.map(async (name) => Number(await readFile(join(folder, name), "utf8").catch(() => ""))),
    );
    const guests = new Set(files.map((name) => `guest=${name.slice(0, -".pid".length)},`));
    return listProcesses()
      .filter(({ pid, words }) => pids.includes(pid) && words.some((word) => startsWithOne(word, guests)))
      .map(({ pid }) => pid);
  }

  async #lastOfLog(): Promise<string> {
    const log = await readFile(join(this.folder, "log/libvirtd.log"), "utf8").catch(() => "");
    return log.trim().split("\n").at(-1) ?? "";
  }

  #virsh(args: readonly string[]): ReturnType<Run> {
    return this.#run("virsh", ["--quiet", "--connect", this.uri, ...args]);
  }
}

async function endProcesses(pids: readonly number[], seconds: number): Promise<void> {
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    for (const pid of pids.filter(isAlive)) process.kill(pid, signal);
    const until = Date.now() + seconds * 1000;
    while (pids.some(isAlive) && Date.now() < until) await sleep(pollMilliseconds);
  }
}

function startsWithOne(word: string, beginnings: ReadonlySet<string>): boolean {
  return [...beginnings].some((beginning) => word.startsWith(beginning));
}

function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== "");
}
