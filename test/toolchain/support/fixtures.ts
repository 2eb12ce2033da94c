import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ToolPin } from "../../../toolchain/pin-types.ts";
import type { Machine, Reporter } from "../../../toolchain/types.ts";

export const machine: Machine = {
  platform: "linux",
  arch: "amd64",
  root: true,
  cgroup: "v2",
  sysResource: true,
  tun: true,
};

/** A reporter that keeps what it was told. */
export function recorder(): Reporter & { readonly lines: string[] } {
  const lines: string[] = [];
  return {
    lines,
    start: (label) => {
      lines.push(`start ${label}`);
      return {
        detail: () => undefined,
        done: () => void lines.push(`done ${label}`),
        fail: (text) => void lines.push(`fail ${label}: ${text}`),
      };
    },
    note: (text) => void lines.push(`note ${text}`),
  };
}

/** A tool with both sources. */
export function fakePin(release?: { readonly url: string; readonly sums: string }): ToolPin {
  return {
    name: "tool",
    group: "core",
    purpose: "a tool of the tests",
    use: "host",
    links: { tool: "tool", also: "tool" },
    ...(release === undefined
      ? {}
      : {
          download: {
            version: "2.0",
            archive: "none",
            files: { tool: "tool" },
            platforms: { "linux/amd64": release },
          },
        }),
    modules: {
      version: "1.9",
      sets: [
        {
          workspace: "tool",
          base: { kind: "fresh", get: ["example.com/tool@v1.9.0"] },
          builds: [{ package: "example.com/tool", output: "tool" }],
          ldflags: "-X example.com/tool.Go={goversion}",
        },
      ],
      platforms: ["linux/amd64"],
      expectedSeconds: 1,
      cacheGiB: 0.1,
    },
  };
}

/**
 * A `go` that writes down its arguments and "builds" slowly. Returns the folder to put on PATH.
 * With `fails` it ends every build with that text.
 */
export async function fakeGo(folder: string, fails?: string): Promise<string> {
  const bin = join(folder, "go-bin");
  await mkdir(bin, { recursive: true });
  const script = `#!/bin/sh
echo "$*" >>'${join(folder, "go-calls")}'
case $1 in
mod) [ "$2" != init ] || echo "module $3" >go.mod ;;
env) echo go1.99.0 ;;
build)
  ${fails === undefined ? "sleep 0.2" : `echo '${fails}' >&2; exit 1`}
  while [ $# -gt 0 ]; do [ "$1" != -o ] || { shift; echo built >"$1"; }; shift; done ;;
esac
`;
  await writeFile(join(bin, "go"), script);
  await chmod(join(bin, "go"), 0o755);
  return bin;
}
