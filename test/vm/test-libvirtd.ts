/** A real libvirtd for tests, apart from the machine's own, with one pool. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PrivateLibvirtd } from "../../rehearsal/libvirt/private-libvirtd.ts";
import {
  type Virtualization,
  virtualization,
  virtualizationWords,
} from "../../rehearsal/libvirt/virtualization.ts";

export class TestLibvirtd extends PrivateLibvirtd {
  /** Name of the one storage pool there is. */
  readonly pool = "vms";
  /** What its virtual machines run on. */
  readonly virtualization: Virtualization;

  private constructor(folder: string, on: Virtualization) {
    super(folder);
    this.virtualization = on;
  }

  static async begin(): Promise<TestLibvirtd> {
    const on = await virtualization();
    process.stdout.write(`    ${virtualizationWords(on)}\n`);
    const libvirtd = new TestLibvirtd(mkdtempSync(join(tmpdir(), "libvirtd-")), on);
    try {
      await libvirtd.start(on.type);
      await libvirtd.ensurePool(libvirtd.pool);
      return libvirtd;
    } catch (error) {
      await libvirtd.stop();
      throw error;
    }
  }

  /** A network of libvirt's, up. */
  async makeNetwork(name: string, xml: string): Promise<void> {
    const file = join(this.folder, "network.xml");
    writeFileSync(file, xml);
    await this.virsh("net-define", file);
    await this.virsh("net-start", name);
  }

  override volumes(pool = this.pool): Promise<string[]> {
    return super.volumes(pool);
  }

  /** Ends everything that was started, and keeps nothing. */
  async stop(): Promise<void> {
    await this.end();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
