/** A libvirtd of its own with the guest image of images/vm, one network, and one address in it where a machine is asked. */
import { execa } from "execa";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { SshConnections } from "../../provider/effects/ssh.ts";
import type { SshTransport } from "../../provider/schema/common.ts";
import type { FlatcarImage } from "../../components/render/flatcar-image.ts";
import { guestImage, guestPrograms } from "../../rehearsal/libvirt/guest-image.ts";
import { cacheFolder } from "../../toolchain/folders.ts";
import { listTools } from "../../toolchain/index.ts";
import type { Reporter } from "../../toolchain/types.ts";
import { TestLibvirtd } from "./test-libvirtd.ts";
import { SignedImages } from "./signed-images.ts";
import { VmStack } from "./vm-stack.ts";

export interface LabNetwork {
  readonly name: string;
  readonly bridge: string;
  /** `198.18.78`: of the range for benchmarks between networks, in which no machine is. */
  readonly subnet: string;
  /** Whether the machine reaches other networks of this machine, by NAT as at home; none of them reaches it. */
  readonly nat: boolean;
}

/** A first start without KVM, on a busy machine. */
const startSeconds = 600;
const imageName = "system.qcow2";
const say = (words: string): void => {
  process.stdout.write(`    ${words}\n`);
};
const reporter: Reporter = {
  start(label) {
    say(label);
    return { detail: () => undefined, done: () => undefined, fail: say };
  },
  note: say,
};

export class GuestLab {
  readonly libvirtd: TestLibvirtd;
  readonly stack = new VmStack();
  readonly network: LabNetwork;
  readonly address: string;
  readonly gateway: string;
  readonly publicKey: string;
  readonly transport: SshTransport & { readonly privateKey: string };
  readonly ssh = new SshConnections();
  readonly #images: SignedImages;

  private constructor(network: LabNetwork, libvirtd: TestLibvirtd, images: SignedImages) {
    this.network = network;
    this.libvirtd = libvirtd;
    this.#images = images;
    this.address = `${network.subnet}.10`;
    this.gateway = `${network.subnet}.1`;
    const key = join(libvirtd.folder, "key");
    this.publicKey = readFileSync(`${key}.pub`, "utf8").trim();
    const privateKey = readFileSync(key, "utf8");
    this.transport = { kind: "ssh", address: this.address, port: 22, user: "core", privateKey };
  }

  static async start(network: LabNetwork): Promise<GuestLab> {
    const homespan = join(import.meta.dirname, "../../homespan");
    const groups = ["--group", "homelab", "--group", "guest"];
    await execa(homespan, ["toolchain", "--prepare", ...groups, "--yes"], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    const programs = guestPrograms(await listTools());
    const image = await guestImage({ cache: cacheFolder(), programs, reporter });
    const images = new SignedImages();
    await images.start();
    await execa("cp", ["--sparse=always", image.file, images.path(imageName)]);
    await images.sign(imageName);
    const libvirtd = await TestLibvirtd.begin();
    await libvirtd.makeNetwork(network.name, networkXml(network));
    const key = join(libvirtd.folder, "key");
    await execa("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "homespan-test", "-f", key]);
    const lab = new GuestLab(network, libvirtd, images);
    await lab.stack.init();
    return lab;
  }

  get image(): FlatcarImage {
    return this.#images.request(imageName);
  }

  /** What a program says of the host. */
  get host(): Pick<TestLibvirtd, "uri" | "pool" | "virtualization"> {
    const { uri, pool, virtualization } = this.libvirtd;
    return { uri, pool, virtualization };
  }

  async up(): Promise<void> {
    const { ok, text } = await this.stack.up();
    expect(ok, text).toBe(true);
  }

  /** Runs it in the machine as root, and expects it to succeed; tried again until the machine takes commands. */
  async inside(...argv: readonly string[]): Promise<string> {
    return this.#inside(argv, "");
  }

  /** The same, of a script. */
  async script(text: string, timeoutSeconds?: number): Promise<string> {
    return this.#inside(["sh", "-eu"], text, timeoutSeconds);
  }

  /** When the QEMU of a domain was started, by this machine's clock. */
  async poweredOn(domain: string): Promise<number> {
    const { stdout } = await execa("ps", ["-C", "qemu-system-x86_64", "-o", "lstart=,args=", "-ww"], {
      env: { LC_ALL: "C", TZ: "UTC" },
    });
    const line = stdout.split("\n").find((it) => it.includes(`guest=${domain},`));
    if (line === undefined) throw new Error("there is no QEMU");
    return Date.parse(`${line.slice(0, 24)} UTC`);
  }

  async stop(): Promise<void> {
    this.ssh.close();
    this.stack.remove();
    await this.#images.stop();
    await this.libvirtd.stop();
  }

  async #inside(argv: readonly string[], input: string, timeoutSeconds = 60): Promise<string> {
    const end = Date.now() + startSeconds * 1000;
    for (;;) {
      try {
        const { code, stdout, stderr } = await this.ssh.run(this.transport, argv, { input, timeoutSeconds });
        expect(code, `${argv.join(" ")}: ${stderr}\n${stdout.slice(-4000)}`).toBe(0);
        return stdout.trim();
      } catch (error) {
        if (Date.now() > end || !(error instanceof Error) || error.name === "AssertionError") throw error;
        await sleep(1000);
      }
    }
  }
}

function networkXml({ name, bridge, subnet, nat }: LabNetwork): string {
  return [
    `<network><name>${name}</name><bridge name='${bridge}'/>${nat ? "<forward mode='nat'/>" : ""}`,
    `<ip address='${subnet}.1' netmask='255.255.255.0'>`,
    `<dhcp><range start='${subnet}.100' end='${subnet}.199'/></dhcp></ip></network>`,
  ].join("");
}
