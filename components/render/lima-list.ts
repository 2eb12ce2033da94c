/** What `limactl` prints with `--json`, an object a line. */

/** A virtual machine as `limactl list` shows it. */
export interface LimaInstance {
  readonly name: string;
  /** `Running`, `Stopped`, or that Lima cannot make sense of it. */
  readonly status: string;
  readonly cpus: number;
  readonly memoryMiB: number;
  readonly diskGiB: number;
  readonly message: string;
  /** 0 when Lima chooses one at its start. */
  readonly sshPort: number;
}

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

/** Objects alone: it warns in between. */
export function limaJsonLines(text: string): unknown[] {
  return text
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as unknown);
}

interface RawInstance {
  readonly name?: string;
  readonly status?: string;
  readonly cpus?: number;
  readonly memory?: number;
  readonly disk?: number;
  readonly message?: string;
  readonly config?: { readonly ssh?: { readonly localPort?: number } };
}

/** What `limactl list --json` prints. */
export function parseLimaList(text: string): LimaInstance[] {
  return limaJsonLines(text).map((it) => {
    const {
      name = "",
      status = "",
      cpus = 0,
      memory = 0,
      disk = 0,
      message = "",
      config,
    } = it as RawInstance;
    const sizes = { cpus, memoryMiB: memory / MIB, diskGiB: disk / GIB };
    return { name, status, ...sizes, message, sshPort: config?.ssh?.localPort ?? 0 };
  });
}
