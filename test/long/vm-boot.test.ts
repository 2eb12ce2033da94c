/**
 * A virtual machine that starts: the real Ignition applies the rendered configuration of a Flatcar node, in a small Debian
 * under emulation. Run: ./homespan test --long vm-boot
 */
import { execa } from "execa";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { flatcarIgnition } from "../../components/render/flatcar.ts";
import { renderIgnition } from "../../components/render/ignition.ts";
import { SshConnections } from "../../provider/effects/ssh.ts";
import type { SshTransport } from "../../provider/schema/common.ts";
import { flatcar } from "../render/samples-ignition.ts";
import { guestImage } from "../vm/guest-image.ts";
import { PrivateLibvirtd } from "../vm/private-libvirtd.ts";
import { SignedImages } from "../vm/signed-images.ts";
import { VmStack } from "../vm/vm-stack.ts";

const network = "homespan-boot";
const address = "198.18.78.10";
const machineName = "home-agent-1";
/** A first start under emulation, on a busy machine. */
const startSeconds = 600;

const images = new SignedImages();
const ssh = new SshConnections();
let libvirtd: PrivateLibvirtd;
let stack: VmStack;
let transport: SshTransport;
let publicKey: string;

beforeAll(async () => {
  const homespan = join(import.meta.dirname, "../../homespan");
  const groups = ["--group", "homelab", "--group", "guest"];
  await execa(homespan, ["toolchain", "--prepare", ...groups, "--yes"], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  await images.start();
  await execa("cp", ["--sparse=always", await guestImage(), images.path("system.qcow2")]);
  await images.sign("system.qcow2");
  libvirtd = await PrivateLibvirtd.start();
  await libvirtd.makeNetwork(
    network,
    `<network><name>${network}</name><bridge name='hsvmboot0'/><ip address='198.18.78.1' netmask='255.255.255.0'><dhcp><range start='198.18.78.100' end='198.18.78.199'/></dhcp></ip></network>`,
  );
  const key = join(libvirtd.folder, "key");
  await execa("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "homespan-test", "-f", key]);
  publicKey = readFileSync(`${key}.pub`, "utf8").trim();
  transport = { kind: "ssh", address, port: 22, user: "core", privateKey: readFileSync(key, "utf8") };
  stack = new VmStack();
  await stack.init();
}, 30 * 60_000);
afterAll(async () => {
  ssh.close();
  stack.remove();
  await images.stop();
  await libvirtd.stop();
});

function declare(change: { readonly extraKey?: string } = {}): void {
  const { uri, pool } = libvirtd;
  const keys = [publicKey, ...(change.extraKey === undefined ? [] : [change.extraKey])];
  const ignition = renderIgnition(
    flatcarIgnition({ ...flatcar, dataDisk: "wanted", sshAuthorizedKeys: keys }),
  );
  stack.declare({
    ...{ uri, pool, image: images.request("system.qcow2") },
    machines: [
      {
        ...{ resourceName: "agent-1", machineName, vcpus: 2, memoryMiB: 1024, memoryHardLimit: false },
        ...{ systemDiskGiB: 4, dataDisk: { sizeGiB: 2 } },
        network: { kind: "network", name: network },
        ...{ address, ignition },
      },
    ],
  });
}

async function up(): Promise<void> {
  const { ok, text } = await stack.up();
  expect(ok, text).toBe(true);
}

/** Runs it as root; retried until the machine takes commands. */
async function inside(...argv: readonly string[]): Promise<string> {
  const end = Date.now() + startSeconds * 1000;
  for (;;) {
    try {
      const { code, stdout, stderr } = await ssh.run(transport, argv);
      expect(code, `${argv.join(" ")}: ${stderr}`).toBe(0);
      return stdout.trim();
    } catch (error) {
      if (Date.now() > end || !(error instanceof Error) || error.name === "AssertionError") throw error;
      await sleep(1000);
    }
  }
}

test(
  "starts, and is what its first configuration says",
  async () => {
    declare();
    const started = Date.now();
    await up();
    const made = Date.now();
    await inside("true");
    const answered = Date.now();
    console.log(
      `made in ${String(Math.round((made - started) / 1000))} s, takes commands ${String(Math.round((answered - made) / 1000))} s later`,
    );
    expect(await inside("cat", "/etc/hostname")).toBe(flatcar.hostName);
    expect(await inside("hostname")).toBe(flatcar.hostName);
    expect(await inside("cat", "/etc/.ignition-result.json")).toMatch(/"userConfigProvided": true/);
    expect(await inside("systemctl", "is-active", "homespan-firewall.service")).toBe("active");
    expect(await inside("nft", "list", "table", "inet", "homespan")).toMatch(/tcp dport 22 accept/);
    expect(await inside("stat", "-c", "%a", "/opt/homespan/boot-files")).toBe("755");
    expect(await inside("sshd", "-T")).toMatch(/^passwordauthentication no$/m);
    expect(await inside("systemctl", "is-enabled", "update-engine.service")).toBe("masked");
  },
  20 * 60_000,
);

test("has virtio's devices alone, and no USB", async () => {
  const devices = (await inside("ls", "/sys/bus/virtio/devices")).split("\n");
  expect(devices.length).toBeGreaterThan(3);
  expect(await inside("sh", "-c", "ls /sys/bus/usb/devices 2>/dev/null || true")).toBe("");
  expect(await inside("sh", "-c", "ls /dev/input 2>/dev/null | grep -c mouse || true")).toBe("0");
});

test("the data disk is formatted once, and found by its serial number", async () => {
  const disk = "/dev/disk/by-id/virtio-homespan-data";
  expect(await inside("blkid", "-o", "value", "-s", "LABEL", disk)).toBe("homespan-data");
  await inside("sh", "-c", `mkdir -p /data && mount ${disk} /data && echo kept >/data/file && umount /data`);
});

test(
  "made anew with another configuration it is another machine with the same data",
  async () => {
    const before = await inside("cat", "/etc/machine-id");
    const host = await ssh.hostKey(transport);
    declare({
      extraKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAMPLE another",
    });
    await up();
    expect(await inside("cat", "/etc/machine-id")).not.toBe(before);
    expect(await ssh.hostKey(transport)).not.toBe(host);
    expect(await inside("cat", "/home/core/.ssh/authorized_keys")).toMatch(/another$/m);
    expect(await inside("cat", "/etc/hostname")).toBe(flatcar.hostName);
    const disk = "/dev/disk/by-id/virtio-homespan-data";
    expect(await inside("sh", "-c", `mkdir -p /data && mount -o ro ${disk} /data && cat /data/file`)).toBe(
      "kept",
    );
  },
  20 * 60_000,
);

test(
  "a second run changes nothing once it has its address, and nothing is left after the last",
  async () => {
    const { ok, text, changes } = await stack.up();
    expect(ok, text).toBe(true);
    expect(Object.keys(changes)).toEqual(["unchanged"]);
    expect((await stack.run("state", "unprotect", "--all", "--yes", "--stack=test")).ok).toBe(true);
    const gone = await stack.destroy();
    expect(gone.ok, gone.text).toBe(true);
    expect(await libvirtd.domains()).toEqual([]);
    expect(await libvirtd.volumes()).toEqual([]);
  },
  10 * 60_000,
);
