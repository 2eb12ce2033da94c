/**
 * A steward without root: the real entrypoint, boot files and driver, with `podman`, `curl`, `ip`, `sleep` and `timeout` replaced by
 * shell functions that keep a log and a clock of their own. See fakes/.
 */
import { execa } from "execa";
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

const project = join(import.meta.dirname, "../..");
const fakes = join(import.meta.dirname, "fakes");

export interface Outcome {
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Stage {
  readonly name: string;
  readonly state: string;
  readonly startedAt?: string;
  readonly finishedAt?: string;
  readonly attempts: number;
  readonly error?: string;
}

export class World {
  readonly root = mkdtempSync(join(tmpdir(), "steward-"));
  readonly data = join(this.root, "data");
  readonly fake = join(this.root, "fake");
  readonly #lib = join(this.root, "lib");
  readonly #bin = join(this.root, "bin");

  constructor() {
    for (const directory of ["containers", "fail", "dies", "events", "proc/net"]) {
      mkdirSync(join(this.fake, directory), { recursive: true });
    }
    mkdirSync(this.data);
    mkdirSync(this.#lib);
    mkdirSync(this.#bin);
    for (const name of ["podman", "curl", "ip", "sleep", "timeout"]) {
      symlinkSync(join(fakes, "refuse"), join(this.#bin, name));
    }
    symlinkSync(join(project, "boot"), join(this.#lib, "boot"));
    for (const file of ["driver-podman.sh", "supervise.sh", "children"]) {
      symlinkSync(join(project, "images/steward", file), join(this.#lib, file));
    }
    this.set("uptime", "1000.00 0\n")
      .set("number", "0\n")
      .set("end", "1000000\n")
      .set("answering", "")
      .set("ready", "");
    this.set("proc/net/unix", "").set("proc/net/tcp", "").set("auto-ready", "");
    this.set("resolv.conf", "nameserver 10.89.0.1\n");
  }

  /** A file of the fakes. */
  set(path: string, content: string): this {
    writeFileSync(join(this.fake, path), content);
    return this;
  }

  /** A file on the node's data volume. */
  put(path: string, content: string, mode = 0o644): this {
    mkdirSync(dirname(join(this.data, path)), { recursive: true });
    writeFileSync(join(this.data, path), content);
    chmodSync(join(this.data, path), mode);
    return this;
  }

  read(path: string): string {
    return readFileSync(join(this.data, path), "utf8");
  }

  has(path: string): boolean {
    return existsSync(join(this.data, path));
  }

  /** `verb what where` of the fake sleep, `seconds` after the start. */
  at(seconds: number, event: string): this {
    return this.set(`events/${100_000 + seconds * 100}`, `${event}\n`);
  }

  /** A program that is found before the machine's own of that name. */
  program(name: string, text: string): this {
    writeFileSync(join(this.#bin, name), `#!/bin/sh\n${text}`, { mode: 0o755 });
    return this;
  }

  hostFiles(): this {
    this.put(
      "steward/node.conf",
      "NODE=agent-1\nPOD=pod\nVOLUME=pod-data\nTAILNET_HOSTNAME=ci-agent-1\nLOGIN_SERVER=https://control\n",
    );
    for (const child of ["tailscale", "k3s", "bootstrapper"]) {
      this.put(
        `steward/children/${child}.args`,
        `--pod=@POD@\n--volume=@DATA@/${child}:/x y\nimage-of-${child}\n`,
      );
    }
    return this.put("secrets/authkey", "hskey-auth-secret\n", 0o600);
  }

  joinFiles(role: "server" | "agent", mode: string, servers = ""): this {
    this.put("etc/rancher/k3s/config.yaml", "node-name: agent-1\n");
    this.put("secrets/agent-token", "agent-secret", 0o600);
    this.put("secrets/server-token", "server-secret", 0o600);
    return this.put("join.conf", `ROLE=${role}\nMODE=${mode}\nSERVERS=${servers}\nSAN=name.example\n`);
  }

  /** Runs the steward until the fake clock has moved on by `seconds`. */
  async run(seconds: number): Promise<Outcome> {
    this.set("end", String(100_000 + seconds * 100));
    const result = await execa("dash", [join(fakes, "steward"), join(project, "images/steward/entrypoint")], {
      env: {
        PATH: `${this.#bin}:${process.env["PATH"] ?? ""}`,
        FAKE: this.fake,
        DATA: this.data,
        HOMESPAN_LIB: this.#lib,
        HOMESPAN_DATA: this.data,
        DRIVER_PROC: join(this.fake, "proc"),
        BOOT_UPTIME_FILE: join(this.fake, "uptime"),
        BOOT_RESOLV_CONF: join(this.fake, "resolv.conf"),
      },
      reject: false,
      timeout: 100_000,
    });
    if (existsSync(join(this.fake, "around"))) {
      throw new Error(readFileSync(join(this.fake, "around"), "utf8"));
    }
    return { exitCode: result.exitCode, stdout: result.stdout, stderr: result.stderr };
  }

  /** The stages at the end, or when the event `keep name` happened. */
  stages(kept?: string): Record<string, Stage> {
    const path = kept === undefined ? "steward/stage.json" : `../fake/kept-${kept}`;
    const file = JSON.parse(this.read(path)) as { node: string; stages: Stage[] };
    return Object.fromEntries(file.stages.map((stage) => [stage.name, stage]));
  }

  /** The log of the fakes, without the steps of the clock. */
  log(): string[] {
    return readFileSync(join(this.fake, "log"), "utf8")
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("sleep "));
  }

  /** What changed a container or the tailnet, shortened: `run tailscale`, `start k3s`, `up`. */
  acts(): string[] {
    return this.log().flatMap((line) => {
      if (line.startsWith("event ")) {
        return [line];
      }
      const child = /pod-(tailscale|k3s|bootstrapper)/.exec(line)?.[1] ?? "";
      const verb = /^podman (create|run|start|stop) /.exec(line)?.[1];
      if (verb !== undefined) {
        return [`${verb} ${child}`];
      }
      return / tailscale up /.test(line) ? ["up"] : [];
    });
  }

  sleeps(): number[] {
    return readFileSync(join(this.fake, "log"), "utf8")
      .split("\n")
      .filter((line) => line.startsWith("sleep "))
      .map((line) => Number(line.slice(6)));
  }

  [Symbol.dispose](): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** One of the steward's scripts, on a data directory. */
export async function script(
  name: string,
  data: string,
  args: readonly string[],
  input?: Uint8Array,
): Promise<Outcome> {
  const result = await execa(join(project, "images/steward/scripts", name), [...args], {
    env: { HOMESPAN_DATA: data },
    reject: false,
    // Without input the scripts see the end of their standard input at once.
    input: input ?? new Uint8Array(),
  });
  return { exitCode: result.exitCode, stdout: result.stdout, stderr: result.stderr };
}
