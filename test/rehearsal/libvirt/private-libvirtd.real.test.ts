/**
 * What a libvirtd of its own finds in libvirt's places, and what is there again for the next one. Real mounts, in a namespace in
 * which this machine's /etc, /run and /var are empty; in libvirtd's place a script that looks around.
 */
import { execa } from "execa";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";

const script = join(import.meta.dirname, "../../../rehearsal/libvirt/private-libvirtd");
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "libvirtd-"));
  mkdirSync(join(folder, "bin"));
  mkdirSync(join(folder, "own"));
  const looks = `#!/bin/sh
echo "$*"
for file in /etc/libvirt/qemu/own.xml /run/libvirt/autostarted /var/lib/libvirt/images; do [ ! -e "$file" ] || echo "$file"; done
echo "networks: $(ls /etc/libvirt/qemu/networks 2>/dev/null)"
echo "namespaces: $(grep -c '^namespaces' /etc/libvirt/qemu.conf)"
mkdir -p /etc/libvirt/qemu /var/lib/libvirt/images
: >/etc/libvirt/qemu/own.xml
: >/run/libvirt/autostarted
`;
  writeFileSync(join(folder, "bin/libvirtd"), looks);
  chmodSync(join(folder, "bin/libvirtd"), 0o755);
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** Starts it twice, then once as after a restart of this machine, and returns what each saw. */
async function seen(): Promise<string[]> {
  const steps = `set -eu
for place in /etc /run /var; do mount -t tmpfs none "$place"; done
mkdir -p /etc/libvirt/qemu/networks
for file in qemu.conf libvirtd.conf qemu/networks/default.xml; do echo "# its own" >"/etc/libvirt/$file"; done
for boot in same same other; do
  echo "== $boot"
  [ "$boot" = same ] || echo another >"$1/boot-id"
  "$2" "$1" qemu
done
[ ! -e /etc/libvirt/qemu/own.xml ] && [ ! -e /run/libvirt/autostarted ]
`;
  const arguments_ = ["--mount", "--propagation", "private", "sh", "-c", steps, "sh"];
  const { stdout } = await execa("unshare", [...arguments_, join(folder, "own"), script], {
    env: { PATH: `${join(folder, "bin")}:${process.env["PATH"] ?? ""}` },
  });
  return stdout.split(/^== \w+\n/m).slice(1);
}

test("it begins with an empty book, goes on with its own, and knows a restart of the machine", async ({
  skip,
}) => {
  skip(process.getuid?.() !== 0, "mounts take root");
  const pid = `--pid-file ${join(folder, "own")}/libvirtd.pid`;
  const rest = ["networks: ", "namespaces: 1"];
  const [first, second, third] = (await seen()).map((text) => text.trimEnd().split("\n"));
  expect(first).toEqual([pid, ...rest]);
  expect(second).toEqual([
    pid,
    "/etc/libvirt/qemu/own.xml",
    "/run/libvirt/autostarted",
    "/var/lib/libvirt/images",
    ...rest,
  ]);
  expect(third).toEqual([pid, "/etc/libvirt/qemu/own.xml", "/var/lib/libvirt/images", ...rest]);
});
