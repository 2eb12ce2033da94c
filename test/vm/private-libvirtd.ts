/** A real libvirtd for tests, apart from the machine's own. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { type Virtualization, virtualization } from "./virtualization.ts";

const script = join(import.meta.dirname, "private-libvirtd");

export class PrivateLibvirtd {
  readonly folder: string;
  readonly uri: string;
  /** Name of the one storage pool there is. */
  readonly pool = "vms";
  /** What its virtual machines run on. */
  readonly virtualization: Virtualization;
  readonly #child: ChildProcess;

  private constructor(folder: string, child: ChildProcess, on: Virtualization) {
    this.folder = folder;
    this.virtualization = on;
    this.uri = `qemu+unix:///system?socket=${join(folder, "run/libvirt-sock")}`;
    this.#child = child;
  }

  static async start(): Promise<PrivateLibvirtd> {
    const on = await virtualization();
    const folder = mkdtempSync(join(tmpdir(), "libvirtd-"));
    // QEMU runs as a user of its own, who must get through to the disks.
    await execa("chmod", ["711", folder]);
    const child = spawn(script, [folder, on.type], { stdio: ["ignore", "ignore", "inherit"] });
    const libvirtd = new PrivateLibvirtd(folder, child, on);
    try {
      await libvirtd.#ready();
      mkdirSync(join(folder, "pool"), { mode: 0o711 });
      await libvirtd.virsh("pool-create-as", libvirtd.pool, "dir", "--target", join(folder, "pool"));
      return libvirtd;
    } catch (error) {
      await libvirtd.stop();
      throw error;
    }
  }

  async virsh(...args: readonly string[]): Promise<string> {
    return (await execa("virsh", ["--quiet", "--connect", this.uri, ...args])).stdout.trim();
  }

  /** A network of libvirt's, up. */
  async makeNetwork(name: string, xml: string): Promise<void> {
    const file = join(this.folder, "network.xml");
    writeFileSync(file, xml);
    await this.virsh("net-define", file);
    await this.virsh("net-start", name);
  }

  async domains(): Promise<string[]> {
    return words(await this.virsh("list", "--all", "--name"));
  }

  async volumes(): Promise<string[]> {
    await this.virsh("pool-refresh", this.pool);
    const lines = (await this.virsh("vol-list", this.pool)).split("\n");
    return lines.flatMap((line) => /^\s*(\S+)/.exec(line)?.[1] ?? []).sort();
  }

  /** What libvirtd complained about. */
  log(): string {
    return readFileSync(join(this.folder, "log/libvirtd.log"), "utf8");
  }

  /** Ends everything that was started, virtual machines and networks too. */
  async stop(): Promise<void> {
    if (this.#child.exitCode === null) {
      for (const name of await this.domains().catch(() => []))
        await this.virsh("destroy", name).catch(noMatter);
      const networks = words(await this.virsh("net-list", "--name").catch(() => ""));
      for (const name of networks) await this.virsh("net-destroy", name).catch(noMatter);
      this.#child.kill("SIGTERM");
      await new Promise((resolve) => this.#child.once("exit", resolve));
    }
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #ready(): Promise<void> {
    for (let left = 150; ; left -= 1) {
      if (this.#child.exitCode !== null)
        throw new Error(`libvirtd ended with ${String(this.#child.exitCode)}`);
      const { exitCode, stderr } = await execa("virsh", ["--connect", this.uri, "version"], {
        reject: false,
      });
      if (exitCode === 0) return;
      if (left === 0) throw new Error(`libvirtd does not answer: ${stderr}`);
      await sleep(200);
    }
  }
}

function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== "");
}

function noMatter(): undefined {
  return undefined;
}
