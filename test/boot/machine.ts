/**
 * A machine without root: the real scripts below a root of their own, with systemctl, curl, mount and the like replaced by
 * fakes/machine.
 */
import { execa } from "execa";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import {
  bakedFiles,
  bootFiles,
  renderArtifacts,
  type Artifact,
} from "../../components/render/machine-files.ts";
import { userDataSources } from "../../components/render/user-data.ts";

export const project = join(import.meta.dirname, "../..");

export function sourceText(source: string): string {
  return readFileSync(join(project, source), "utf8");
}

/** What {@link renderUserData} needs. */
export function userDataTexts(): Record<string, string> {
  return Object.fromEntries(userDataSources.map((source) => [source, sourceText(source)]));
}

export function sha256(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}

const fakes = [
  ...["systemctl", "curl", "tailscale", "sleep", "ip", "nft", "journalctl", "systemd-detect-virt"],
  ...["mount", "mountpoint", "lsblk", "blkid", "wipefs", "mkfs.ext4", "fsck", "update-ca-certificates"],
];

/** What a Debian 12 has, where the kubelet wants other values. */
const kernelAsFound = [
  ["kernel/keys/root_maxbytes", "25000000"],
  ["kernel/keys/root_maxkeys", "1000000"],
  ["kernel/panic", "0"],
  ["kernel/panic_on_oops", "0"],
  ["vm/overcommit_memory", "0"],
  ["vm/panic_on_oom", "0"],
] as const;

export interface Stage {
  readonly name: string;
  readonly state: string;
  readonly error?: string;
}

export interface Outcome {
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

export class Machine {
  readonly root = mkdtempSync(join(tmpdir(), "machine-"));
  readonly fake = join(this.root, "fake");
  readonly data: string;
  readonly lib: string;
  readonly places: { readonly library: string; readonly data: string };

  /**
   * With `bare`, nothing of Homespan is on it yet.
   *
   * @param places for a system whose /usr and / are read-only, as paths below the root
   */
  constructor(
    kind: "prepared" | "bare" = "prepared",
    places: Machine["places"] = { library: "usr/lib/homespan", data: "data" },
  ) {
    this.places = places;
    this.data = join(this.root, places.data);
    this.lib = join(this.root, places.library);
    for (const directory of [
      ...["units", "mirror", "cut", "disks", "content", "parts", "dies", "proc/net"].map(
        (it) => `fake/${it}`,
      ),
      ...["bin", "etc/systemd/system", "etc/homespan/seed", "run/systemd/resolve", places.library],
    ]) {
      mkdirSync(join(this.root, directory), { recursive: true });
    }
    for (const name of fakes) {
      symlinkSync(join(project, "test/boot/fakes/machine"), join(this.root, "bin", name));
    }
    if (places.data !== "data") symlinkSync(`/${places.data}`, join(this.lib, "data"));
    this.put("fake/uptime", "1000.00 0\n").put("fake/mounts", "").put("fake/log", "");
    for (const [key, value] of kernelAsFound) this.put(`proc/sys/${key}`, `${value}\n`);
    this.put("fake/proc/net/unix", "")
      .put("fake/proc/net/tcp", "")
      .put("fake/proc/mounts", "")
      .put("etc/resolv.conf", "nameserver 192.0.2.53\n");
    if (kind === "prepared") {
      for (const { source, path } of [...bakedFiles, ...bootFiles]) {
        mkdirSync(dirname(join(this.lib, path)), { recursive: true });
        symlinkSync(join(project, source), join(this.lib, path));
      }
    }
  }

  put(path: string, content: string | Uint8Array, mode = 0o644): this {
    mkdirSync(dirname(join(this.root, path)), { recursive: true });
    writeFileSync(join(this.root, path), content);
    chmodSync(join(this.root, path), mode);
    return this;
  }

  read(path: string): string {
    return readFileSync(join(this.root, path), "utf8");
  }

  has(path: string): boolean {
    return existsSync(join(this.root, path));
  }

  /** node.conf and key, laid down with the machine, and the k3s and tailscale of its mirror. */
  seeded(): this {
    this.put(
      "etc/homespan/seed/node.conf",
      "NODE=agent-1\nTAILNET_HOSTNAME=ci-agent-1\nLOGIN_SERVER=https://control\n",
    );
    this.put("etc/homespan/seed/authkey", "hskey-auth-secret\n", 0o600);
    this.put("fake/mirror/k3s", "#!/bin/sh\necho k3s\n");
    return this.put(
      "etc/homespan/artifacts.conf",
      renderArtifacts([this.artifact("K3S", this.read("fake/mirror/k3s"))]),
    );
  }

  artifact(name: "K3S", content: string | Uint8Array): Artifact {
    return {
      name,
      path: "/usr/local/bin/k3s",
      files: [],
      downloads: { amd64: { urls: ["http://mirror/k3s"], sha256: sha256(content) } },
    };
  }

  /** The tailscale of upstream's archive, whose program is the fake. */
  async tailscale(): Promise<this> {
    const folder = join(this.root, "archive/tailscale_1.96.0_amd64");
    mkdirSync(join(folder, "systemd"), { recursive: true });
    writeFileSync(join(folder, "tailscaled"), "#!/bin/sh\n");
    writeFileSync(join(folder, "systemd/tailscaled.service"), "not ours\n");
    writeFileSync(join(folder, "tailscale"), sourceText("test/boot/fakes/machine"));
    await execa("tar", ["-czf", join(this.fake, "mirror/t.tgz"), "-C", dirname(folder), "."]);
    const text = renderArtifacts([
      {
        name: "TAILSCALE",
        path: "/usr/local/bin",
        files: ["tailscale", "tailscaled"],
        downloads: {
          amd64: {
            urls: ["http://mirror/t.tgz"],
            sha256: sha256(readFileSync(join(this.fake, "mirror/t.tgz"))),
          },
        },
      },
    ]);
    return this.put("etc/homespan/artifacts.conf", this.read("etc/homespan/artifacts.conf") + text);
  }

  joinFiles(config = "node-name: agent-1\n"): this {
    const { data } = this.places;
    this.put(`${data}/etc/rancher/k3s/config.yaml`, config);
    this.put(`${data}/secrets/server-token`, "server-secret", 0o600);
    return this.put(`${data}/join.conf`, "ROLE=server\nMODE=single\nSERVERS=\nSAN=\n");
  }

  unit(name: string): string {
    return this.has(`fake/units/${name}`) ? (this.read(`fake/units/${name}`).split(" ")[0] ?? "") : "none";
  }

  /** A script of the machine; `path` is below its library. */
  async call(path: string, args: readonly string[] = [], input?: Uint8Array): Promise<Outcome> {
    return this.sh(join(this.lib, path), args, input);
  }

  async sh(script: string, args: readonly string[] = [], input?: Uint8Array): Promise<Outcome> {
    const result = await execa("dash", [script, ...args], {
      env: {
        PATH: `${join(this.root, "bin")}:${process.env["PATH"] ?? ""}`,
        FAKE: this.fake,
        DATA: this.data,
        HOMESPAN_ROOT: this.root,
        ARTIFACT_MACHINE: "x86_64",
        DATA_ZERO_BYTES: "4096",
        BOOT_UPTIME_FILE: join(this.fake, "uptime"),
        DRIVER_PROC: join(this.fake, "proc"),
      },
      reject: false,
      timeout: 15_000,
      input: input ?? new Uint8Array(),
    });
    return { exitCode: result.exitCode, stdout: result.stdout, stderr: result.stderr };
  }

  /** Runs the boot sequence until it ends by itself, or the fake clock has moved on by `seconds`. */
  async boot(seconds = 20): Promise<Outcome> {
    this.put("fake/log", "");
    const now = Number(this.read("fake/uptime").split(" ")[0]);
    this.put("fake/end", `${Math.round((now + seconds) * 100)}\n`);
    return this.call("machine/boot");
  }

  stages(): Record<string, Stage> {
    const delivered = `${this.places.data}/steward/stage.json`;
    const at = this.has(delivered) ? delivered : "run/homespan/stage.json";
    const file = JSON.parse(this.read(at)) as { stages: Stage[] };
    return Object.fromEntries(file.stages.map((stage) => [stage.name, stage]));
  }

  log(): string[] {
    return this.read("fake/log").split("\n");
  }

  /** What changed a unit or the tailnet: `start tailscaled`, `restart k3s`, `up`. */
  acts(): string[] {
    return this.log().flatMap((line) => {
      const unit = /^systemctl (start|restart|stop) (?:--no-block )?([-a-z0-9]+)\./.exec(line);
      if (unit !== null) return [`${unit[1] ?? ""} ${unit[2] ?? ""}`];
      return line.startsWith("tailscale up ") ? ["up"] : [];
    });
  }

  [Symbol.dispose](): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}
