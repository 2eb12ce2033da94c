/**
 * A rehearsed Mac without a container: the real limactl with the rehearsal's driver, as the user whose virtual machines they are,
 * in a folder in the place of the root directory. Its virtual machines are SSH servers.
 */
import { execa } from "execa";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { type HypervisorServer, serveHypervisor } from "../../../rehearsal/lima/hypervisor-server.ts";
import { fillImageCache } from "../../../rehearsal/lima/images.ts";
import type { Macs } from "../../../provider/effects/macs.ts";
import type { Finished, RunOptions } from "../../../provider/effects/process.ts";
import type { Mac } from "../../../provider/schema/lima.ts";
import { unprivileged, unprivilegedEnvironment, unprivilegedHome } from "../../render/unprivileged.ts";
import { SshGuests } from "./ssh-guests.ts";

const checkout = join(import.meta.dirname, "../../..");
/** All but what changes another user is played. */
const sudo = `#!/bin/sh
while [ "$1" = -n ] || [ "$1" = -k ]; do shift; done
exec "$@"
`;

export class RehearsedMac implements Macs {
  readonly home = unprivilegedHome();
  readonly guests = new SshGuests(join(this.home, ".lima"), join(this.home, "guest"));
  #server: HypervisorServer | undefined;

  async start(): Promise<void> {
    const { home } = this;
    const folders = [
      "opt/lima/bin",
      "opt/lima/libexec",
      "guest",
      "Library/LaunchDaemons",
      ".cache/lima",
      ".lima",
    ];
    for (const folder of folders) mkdirSync(join(home, folder), { recursive: true });
    for (const folder of ["bin", "guest"]) {
      writeFileSync(join(home, folder, "sudo"), sudo);
      chmodSync(join(home, folder, "sudo"), 0o755);
    }
    writeFileSync(join(home, "guest/.bash_profile"), `PATH=${join(home, "guest")}:$PATH\n`);
    copyFileSync(join(home, "bin/limactl"), join(home, "opt/lima/bin/limactl"));
    rmSync(join(home, "bin/limactl"));
    symlinkSync(process.execPath, join(home, "opt/lima/node"));
    cpSync(join(checkout, "rehearsal/lima/driver"), join(home, "opt/lima/libexec/lima"), { recursive: true });
    for (const name of ["node_modules", "package.json"])
      symlinkSync(join(checkout, name), join(home, "opt/lima", name));
    await fillImageCache(join(home, ".cache/lima"));
    const { uid, gid } = unprivileged;
    if (uid !== undefined) {
      const owned = ["Library", ".cache", ".lima"].map((folder) => join(home, folder));
      await execa("chown", ["--recursive", `${uid}:${String(gid)}`, ...owned]);
    }
    this.#server = await serveHypervisor(join(home, "hypervisor/socket"), this.guests);
  }

  async stop(): Promise<void> {
    const { stdout } = await this.limactl(["list", "--quiet"]);
    for (const name of stdout.split("\n").filter(Boolean)) await this.limactl(["delete", "--force", name]);
    await this.#server?.close();
    // Of Lima's own network: it ends with its last machine, but where that was not to be deleted.
    const network = join(this.home, ".lima/_networks/user-v2/usernet_user-v2.pid");
    if (existsSync(network)) await execa("kill", [readFileSync(network, "utf8").trim()], { reject: false });
    rmSync(this.home, { recursive: true, force: true });
  }

  /** The daemon ends and another one goes on, with the machines there are. */
  async restartDaemon(): Promise<void> {
    await this.#server?.close();
    this.#server = await serveHypervisor(join(this.home, "hypervisor/socket"), this.guests);
  }

  limactl(args: readonly string[], input = ""): Promise<Finished> {
    return this.run({ kind: "local" }, ["limactl", ...args], { input });
  }

  async run(
    _mac: Mac,
    [program = "", ...args]: readonly string[],
    options: RunOptions = {},
  ): Promise<Finished> {
    const { home } = this;
    const { PATH = "", ...environment } = unprivilegedEnvironment(home);
    const finished = await execa(program, args, {
      ...unprivileged,
      input: options.input ?? "",
      extendEnv: false,
      env: {
        ...environment,
        PATH: `${join(checkout, "rehearsal/lima/mac/bin")}:${PATH}`,
        MAC_ROOT: home,
        HOMESPAN_HYPERVISOR: join(home, "hypervisor/socket"),
      },
      cwd: home,
      reject: false,
    });
    return { code: finished.exitCode ?? 1, stdout: finished.stdout, stderr: finished.stderr };
  }
}
