/** One virtual machine of a rehearsed Mac, from its start to its end, as Lima's driver of Apple's framework has it. */
import { existsSync } from "node:fs";
import { rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { holdDisk, releaseDisk } from "./disks.ts";
import type { Hypervisor } from "./hypervisor.ts";
import { type Instance, insistOnPlayable, readInstance, withDefaults } from "./instance.ts";
import { type Relay, relay } from "./relay.ts";

/** Nobody told it to stop. */
const poweredOff = "vz driver state stopped";

export class VirtualMachine {
  readonly #hypervisor: Hypervisor;
  #instance: Instance | undefined;
  #relay: Relay | undefined;
  #life: AbortController | undefined;
  #stopping = false;

  constructor(hypervisor: Hypervisor) {
    this.#hypervisor = hypervisor;
  }

  /** Which machine it is, as JSON of Lima's; returned with what a driver has to fill in. */
  configure(text: string): string {
    const filled = withDefaults(text);
    this.#instance = readInstance(filled);
    return filled;
  }

  /** @throws Error naming all that no rehearsal can play */
  validate(): void {
    insistOnPlayable(this.#known());
  }

  /** The image that was downloaded becomes the system's disk; Lima gives it its size. */
  async createDisk(): Promise<void> {
    const { dir } = this.#known();
    if (!existsSync(join(dir, "disk"))) await rename(join(dir, "image"), join(dir, "disk"));
  }

  /**
   * Returns when it boots.
   *
   * @param ended - called once: with the reason when it went off by itself, without one when it was stopped
   */
  async start(ended: (reason?: string) => void): Promise<void> {
    const { name, hostname, dir, sshLocalPort, config } = this.#known();
    const [wanted] = config.additionalDisks ?? [];
    const disk = wanted === undefined ? undefined : await holdDisk(dir, wanted.name);
    try {
      const { address, port } = await this.#hypervisor.start({ name, hostName: hostname, disk });
      this.#relay = await relay(sshLocalPort, { host: address, port });
      await writeFile(this.#pidFile(), `${String(process.pid)}\n`);
    } catch (error) {
      await this.#hypervisor.stop(name).catch(() => undefined);
      if (disk !== undefined) await releaseDisk(dir, disk.name);
      throw error;
    }
    this.#stopping = false;
    this.#life = new AbortController();
    void this.#hypervisor.life(name, this.#life.signal).then(
      () => {
        ended(this.#stopping ? undefined : poweredOff);
      },
      (error: unknown) => {
        ended(this.#stopping ? undefined : String(error));
      },
    );
  }

  /** Returns when it is off; also for one that is. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#hypervisor.stop(this.#known().name);
    this.#life?.abort();
    this.#relay?.close();
    await rm(this.#pidFile(), { force: true });
  }

  async delete(): Promise<void> {
    await this.#hypervisor.remove(this.#known().name);
  }

  /** By which `limactl list` knows that it runs. */
  #pidFile(): string {
    return join(this.#known().dir, "vz.pid");
  }

  #known(): Instance {
    if (this.#instance === undefined) throw new Error("the driver must be told its instance first");
    return this.#instance;
  }
}
