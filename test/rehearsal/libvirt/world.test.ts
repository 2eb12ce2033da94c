/** What a machine of a rehearsal takes from its router: images/vm/files/world below a root of its own, with a router that is files. */
import { execa } from "execa";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";

const files = join(import.meta.dirname, "../../../images/vm/files");
const certificate = (content: string): string =>
  `-----BEGIN CERTIFICATE-----\n${content}\n-----END CERTIFICATE-----\n`;
let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "homespan-world-"));
  put("etc/hosts", "127.0.0.1 localhost\n10.0.0.1 old.example\n");
  put("etc/ssl/certs/ca-certificates.crt", certificate("public"));
  put("usr/local/share/ca-certificates/.keep", "");
  // Its last argument is the URL; what is not there is refused, as by --fail.
  put(
    "bin/curl",
    '#!/bin/sh\nfor url; do :; done\nfile=$WORLD_ROOT/served/${url#http://10.89.3.254/}\n[ -e "$file" ] || exit 22\ncat "$file"\n',
  );
  chmodSync(join(root, "bin/curl"), 0o755);
});
afterEach(() => {
  rmSync(root, { recursive: true });
});

function put(path: string, content: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content);
}
const read = (path: string): string => readFileSync(join(root, path), "utf8");
const lease = (): void => {
  put("run/systemd/netif/leases/2", "ADDRESS=10.89.3.253\nSERVER_ADDRESS=10.89.3.254\nROUTER=10.89.3.1\n");
};
async function world(what: string): Promise<void> {
  const env = { WORLD_ROOT: root, WORLD_SECONDS: "1", PATH: `${root}/bin:${process.env["PATH"] ?? ""}` };
  await execa("sh", [join(files, "world"), what], { env });
}

test("shellcheck finds nothing", async ({ skip }) => {
  const checked = await execa("shellcheck", [join(files, "world"), join(files, "first-start")], {
    reject: false,
  });
  skip(checked.code === "ENOENT", "shellcheck is missing");
  expect(checked.stdout).toBe("");
});

test("names and certificates are those of its world, once", async () => {
  lease();
  put("served/world/certificates", certificate("rehearsal"));
  put("served/world/hosts", "172.26.1.10 controlplane.tailscale.com\n10.0.0.2 old.example\n");
  for (let boot = 0; boot < 2; boot++) {
    await world("facts");
    expect(read("etc/ssl/certs/ca-certificates.crt")).toBe(
      `${certificate("public")}${certificate("rehearsal")}`,
    );
    expect(read("etc/hosts")).toBe(
      "127.0.0.1 localhost\n172.26.1.10 controlplane.tailscale.com\n10.0.0.2 old.example\n",
    );
  }
});

test("archives are put where k3s looks for them, as a whole or not at all", async () => {
  lease();
  put("served/world/images", "busybox.tar\npause.tar\n");
  put("served/images/pause.tar", "pause");
  await world("images");
  const folder = "var/lib/rancher/k3s/agent/images";
  expect(read(`${folder}/pause.tar`)).toBe("pause");
  expect(existsSync(join(root, folder, "busybox.tar"))).toBe(false);
  expect(existsSync(join(root, folder, ".busybox.tar.part"))).toBe(false);
});

test("another router has nothing of it, and without one the machine starts too", async () => {
  const before = [read("etc/hosts"), read("etc/ssl/certs/ca-certificates.crt")];
  await world("facts");
  lease();
  await world("facts");
  await world("images");
  expect([read("etc/hosts"), read("etc/ssl/certs/ca-certificates.crt")]).toEqual(before);
  expect(existsSync(join(root, "usr/local/share/ca-certificates/world.crt"))).toBe(false);
  expect(existsSync(join(root, "var"))).toBe(false);
});
