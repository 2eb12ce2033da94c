/** A virtual machine with cgroup v2 in which a user, ada, runs this checkout on Podman without root; nothing is reached from it. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, readFile, readdir, rename, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { type ResultPromise, execa } from "execa";
import { baseImages, images } from "../../../components/upstream/images.ts";
import { SshConnections } from "../../../provider/effects/ssh.ts";
import { packageNames } from "../../../toolchain/debian.ts";
import { cacheFolder } from "../../../toolchain/folders.ts";
import { type Virtualization, virtualization } from "../../../rehearsal/libvirt/virtualization.ts";
import { aptProxy, debianMirror } from "../../../toolchain/images-base.ts";
import { baseRecipe } from "../../../toolchain/images-recipes.ts";
import { listTools } from "../../../toolchain/index.ts";
import { withLock } from "../../../toolchain/locks.ts";
import { repository, run } from "../../e2e/support/command.ts";
import { podman } from "../../e2e/support/podman.ts";
import { eventually } from "../../e2e/support/wait.ts";

const script = join(import.meta.dirname, "build");
/** All of `up`'s own, and what builds tools: with the tools there it is not used, and asked for all the same. */
const packages = packageNames(["core", "build"], false);
const home = "/home/ada";

export interface Said {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export class RootlessLab {
  readonly #folder: string;
  readonly #port: number;
  readonly #privateKey: string;
  readonly #ssh = new SshConnections();
  readonly #machine: ResultPromise;

  private constructor(folder: string, port: number, privateKey: string, machine: ResultPromise) {
    this.#folder = folder;
    this.#port = port;
    this.#privateKey = privateKey;
    this.#machine = machine;
  }

  /** Up to a login that works, with the images in ada's store. */
  static async start(): Promise<RootlessLab> {
    await run(`${repository}homespan`, ["toolchain", "--prepare", "--group", "homelab", "--yes"], {
      timeoutSeconds: 1800,
    });
    const system = await systemOf(cacheFolder());
    const folder = await mkdtemp(join(tmpdir(), "homespan-rootless-"));
    try {
      return await RootlessLab.#begin(system, folder);
    } catch (error) {
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  static async #begin(system: string, folder: string): Promise<RootlessLab> {
    const key = join(folder, "key");
    await execa("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "homespan-test", "-f", key]);
    await makeHome(folder);
    await execa("cp", ["--sparse=always", join(system, "system.ext4"), join(folder, "system.ext4")]);
    const port = await freePort();
    // There may be a /dev/kvm that opens and runs nothing.
    const on = await virtualization();
    const machine = execa("qemu-system-x86_64", qemuArguments(system, folder, port, on), { stdio: "ignore" });
    machine.catch(() => undefined);
    const lab = new RootlessLab(folder, port, await readFile(key, "utf8"), machine);
    try {
      await eventually("a login of ada's", 300, () => lab.ada("true"));
      await lab.ada(`podman load --quiet --input ${home}/images.tar`, 1200);
      return lab;
    } catch (error) {
      await lab.stop();
      throw error;
    }
  }

  /** Runs a script as ada in her home. */
  async ada(text: string, timeoutSeconds = 120): Promise<string> {
    const { code, stdout, stderr } = await this.tried(text, timeoutSeconds);
    if (code !== 0)
      throw new Error(`${text}: exit code ${String(code)}\n${stdout.slice(-4000)}\n${stderr.slice(-4000)}`);
    return stdout.trim();
  }

  /** The same, whatever it ends with. */
  tried(text: string, timeoutSeconds = 120): Promise<Said> {
    const login = { address: "127.0.0.1", port: this.#port, user: "ada", privateKey: this.#privateKey };
    return this.#ssh.run({ kind: "ssh", ...login }, ["sh", "-eu"], {
      ...{ asUser: true, input: text, timeoutSeconds, connectSeconds: 30 },
    });
  }

  async stop(): Promise<void> {
    this.#ssh.close();
    this.#machine.kill("SIGKILL");
    await this.#machine.catch(() => undefined);
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** Folder of the system's disk, kernel and first file system; made once for each version of its script. */
async function systemOf(cache: string): Promise<string> {
  const hash = createHash("sha256")
    .update(await readFile(script))
    .update(packages.join());
  const store = join(cache, "vm-rootless");
  const folder = join(store, hash.digest("hex").slice(0, 16));
  await withLock(join(cache, "locks"), "vm-rootless", async () => {
    if (existsSync(folder)) return;
    const draft = `${folder}.part`;
    await rm(draft, { recursive: true, force: true });
    await mkdir(draft, { recursive: true });
    const mirror = await debianMirror("/etc/apt");
    await execa(script, [baseRecipe.suite, mirror, packages.join(), draft], {
      env: await aptProxy(),
      stdin: "ignore",
    });
    await rename(draft, folder);
    for (const other of await readdir(store)) {
      if (other !== basename(folder)) await rm(join(store, other), { recursive: true, force: true });
    }
  });
  return folder;
}

/** Ada's disk: her key, this checkout as it is, the tools and the images. */
async function makeHome(folder: string): Promise<void> {
  const staged = join(folder, "home");
  const cache = join(staged, ".cache/homespan");
  await mkdir(join(staged, ".ssh"), { recursive: true, mode: 0o700 });
  await cp(join(folder, "key.pub"), join(staged, ".ssh/authorized_keys"));
  await mkdir(join(cache, "tools"), { recursive: true });
  const checkout = join(staged, "homespan");
  await mkdir(checkout);
  await execa(
    "sh",
    [
      "-c",
      `git ls-files -z --cached --others --exclude-standard --exclude=node_modules | tar -c --null -T - | tar -x -C "$1"`,
      "sh",
      checkout,
    ],
    {
      cwd: repository,
    },
  );
  await execa("cp", ["-a", `${repository}node_modules/.`, join(checkout, "node_modules")]);
  const core = (await listTools()).filter(({ group, path }) => group === "core" && path !== null);
  for (const { tool } of core)
    await execa("cp", ["-a", join(cacheFolder(), "tools", tool), join(cache, "tools")]);
  await execa("cp", ["-a", join(cacheFolder(), "images"), cache]);
  const names = [...Object.values(images), baseImages.built];
  await podman(
    ["save", "--multi-image-archive", "--quiet", "--output", join(staged, "images.tar"), ...names],
    {
      timeoutSeconds: 300,
    },
  );
  // Podman's choice without it is vfs, which copies an image for each container.
  await mkdir(join(staged, ".config/containers"), { recursive: true });
  await execa("sh", [
    "-c",
    `printf '[storage]\\ndriver = "overlay"\\n' >"$1/.config/containers/storage.conf"; chown -R 1000:1000 "$1"`,
    "sh",
    staged,
  ]);
  const disk = join(folder, "home.ext4");
  await execa("truncate", ["--size=16G", disk]);
  await execa("mke2fs", ["-q", "-t", "ext4", "-L", "home", "-E", "root_owner=1000:1000", "-d", staged, disk]);
  await rm(staged, { recursive: true });
}

function qemuArguments(system: string, folder: string, port: number, on: Virtualization): string[] {
  const drive = (file: string): string[] => ["-drive", `file=${file},format=raw,if=virtio,cache=unsafe`];
  return [
    ...["-machine", "q35", "-accel", on.type === "kvm" ? "kvm" : "tcg,thread=multi,tb-size=1024"],
    ...["-cpu", ["max", ...on.hiddenCpuFeatures.map((feature) => `${feature}=off`)].join(",")],
    ...["-smp", "2", "-m", "8192", "-display", "none", "-serial", "null", "-monitor", "none", "-no-reboot"],
    ...["-kernel", join(system, "vmlinuz"), "-initrd", join(system, "initrd.img")],
    ...["-append", "root=LABEL=root rw quiet mitigations=off"],
    ...[...drive(join(folder, "system.ext4")), ...drive(join(folder, "home.ext4"))],
    // What comes in is this lab's login; nothing goes out.
    ...["-netdev", `user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:${String(port)}-:22`],
    ...["-device", "virtio-net-pci,netdev=net", "-device", "virtio-rng-pci"],
  ];
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      server.close(() => {
        resolve(port);
      });
    });
  });
}
